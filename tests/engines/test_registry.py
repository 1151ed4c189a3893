from __future__ import annotations

import sys

import pytest

from engines.errors import EngineUnavailable
from engines.registry import create_engine, why_unavailable


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(EngineUnavailable) as error:
        create_engine("vllm")
    assert "mlx" in error.value.hint


def test_a_missing_library_comes_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reason = why_unavailable("llama.cpp")
    assert reason is not None
    assert "pip install" in reason.hint


def test_mlx_is_refused_on_an_intel_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    reason = why_unavailable("mlx")
    assert reason is not None
    assert "Apple Silicon" in reason.message


def test_a_library_that_does_not_import_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.registry.why_unavailable", lambda name: None)
    monkeypatch.setitem(sys.modules, "engines.mlx.engine", None)
    with pytest.raises(EngineUnavailable, match="does not start"):
        create_engine("mlx")
