from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engines.self_check import check_engine, try_engine


def python_that(tmp_path: Path, script: str) -> str:
    """An executable that runs `script` in place of the check."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_crash_is_a_report(tmp_path: Path) -> None:
    python = python_that(tmp_path, "echo GGML_ASSERT failed >&2; kill -ABRT $$")
    report = check_engine("llama.cpp", python)
    assert not report.works
    assert "code -6" in report.error
    assert "GGML_ASSERT failed" in report.error


@pytest.mark.parametrize("output", ["", "not json", "{}", '{"engine": 1, "nonsense": 2}'])
def test_an_answer_that_makes_no_sense_is_a_report(tmp_path: Path, output: str) -> None:
    report = check_engine("llama.cpp", python_that(tmp_path, f"echo '{output}'"))
    assert not report.works
    assert "code 0" in report.error


def test_an_engine_that_is_missing_is_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.registry.importlib.util.find_spec", lambda name: None)
    report = try_engine("mlx")
    assert not report.works
    assert "not installed" in report.error
    assert "pip install" in report.hint


def test_a_wrong_name_is_a_wrong_use() -> None:
    command = [sys.executable, "-m", "engines.self_check", "vllm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.model
@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_the_real_engines_decode(engine: str) -> None:
    report = check_engine(engine)
    assert report.works, report.error
    assert report.device in ("cpu", "metal", "cuda")
    assert report.load_s is not None and report.load_s > 0
