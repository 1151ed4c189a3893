from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from profiles.task import Task
from tui.paths import app_paths

Run = Callable[..., Result]


def test_every_task_has_a_choice_with_all_that_a_profile_needs(run: Run) -> None:
    result = run("profiles", "recommend", "--machine", "M4 32GB", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["machine"]["label"] == "M4, 32 GB"
    assert [entry["task"] for entry in report["recommendations"]] == [task.value for task in Task]
    for entry in report["recommendations"]:
        choice = entry["choice"]
        keys = ("engine", "model", "quantization", "kv_type", "context_tokens", "license")
        assert all(choice[key] for key in keys)
        assert choice["reasons"]
        assert choice["decode_tps"][0] > 0


def test_the_text_says_why_and_what_else(run: Run) -> None:
    result = run("profiles", "recommend", "--machine", "M4 16GB", "--task", "chat")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "For M4, 16 GB, 120 GB/s:"
    assert lines[2] == "Daily chat"
    assert "Qwen3.5-9B" in lines[3] and "Apache-2.0" in lines[3]
    assert any(line.startswith("  · MLX:") for line in lines)
    assert any(line.startswith("  not Qwen3.8-27B: ") for line in lines)
    assert any(line.startswith("  or  ") for line in lines)
    assert "Coding" not in lines


def test_this_machine_is_asked_otherwise(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("profiles", "recommend", "--task", "quick").exit_code == 0
    monkeypatch.setenv("LLM_TUI_MACHINE", "M4 Max 128GB")
    assert "For M4 Max, 128 GB, 546 GB/s:" in run("profiles", "recommend").stdout


def test_an_unknown_task_names_those_there_are(run: Run) -> None:
    result = run("profiles", "recommend", "--task", "cooking")
    assert result.exit_code == 2
    assert all(task.value in result.stderr for task in Task)


def test_a_broken_catalogue_is_told_and_the_rest_works(run: Run, home: Path) -> None:
    folder = app_paths().config
    folder.mkdir(parents=True)
    (folder / "catalogue.toml").write_text("[[model]]\nname = 3\n")
    result = run("profiles", "recommend", "--machine", "M4 16GB", "--json")
    assert result.exit_code == 0
    assert "catalogue.toml" in result.stderr
    assert json.loads(result.stdout)["recommendations"][0]["choice"]
