"""`ask --engine auto` on the embedded model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]

pytestmark = pytest.mark.model


def events(run: Run, *arguments: str) -> list[dict[str, Any]]:
    result = run("ask", "--json", "--max-tokens", "24", *arguments, "Write a loop in Python")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def choice(of: list[dict[str, Any]]) -> dict[str, Any]:
    [found] = [event for event in of if event["event"] == "engine_choice"]
    return found


def test_questions_of_one_call_each_teach_the_next_one(run: Run) -> None:
    first = events(run, "--engine", "auto")
    assert choice(first)["by"] == "the guide's rule"
    assert first[-1]["stats"]["engine"] == choice(first)["engine"]
    assert first[-1]["stats"]["engine_choice"] == choice(first)["reason"]
    for engine in ("mlx", "llama.cpp"):
        pinned = events(run, "--engine", engine)
        assert not any(event["event"] == "engine_choice" for event in pinned)
        assert pinned[-1]["stats"]["engine"] == engine
    last = choice(events(run, "--engine", "auto"))
    assert last["by"] == "measurements"
    assert last["predicted_s"].keys() == {"mlx", "llama.cpp"}
    assert last["engine"] == min(last["predicted_s"], key=last["predicted_s"].__getitem__)
    assert json.loads(run("sessions", "list", "--json").stdout) == []
