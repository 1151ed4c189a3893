"""With `draft = "off"` nothing drafts: no draft model, no lookup in the prompt, none in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from engines.bench.prompts import COPY_HEAVY, prompt_classes
from tests.engines.speculative.forced import OneDepthPays
from tui.paths import app_paths

pytestmark = pytest.mark.model

Run = Callable[..., Result]
ENGINES = ("mlx", "llama.cpp")


@pytest.fixture(autouse=True)
def always_drafting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may draft does so wherever there is anything to draft."""
    monkeypatch.setattr("engines.speculative.record.StepCosts", lambda: OneDepthPays(2))


def stats_of(run: Run, folder: Path, *options: str) -> dict[str, Any]:
    """Figures of an answer that begins to repeat an attached file."""
    question = prompt_classes()[COPY_HEAVY][0]
    path = folder / "orders.py"
    path.write_text(question.file)
    limits = ("--temperature", "0", "--max-tokens", "48", "--json")
    result = run("ask", *options, *limits, "--file", path, question.text)
    assert result.exit_code == 0, result.stderr
    stats: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])["stats"]
    return stats


@pytest.mark.parametrize("engine", ENGINES)
def test_lookups_draft_without_a_draft_model(run: Run, tmp_path: Path, engine: str) -> None:
    stats = stats_of(run, tmp_path, "--model", "demo:target", "--engine", engine)
    assert stats["drafted_tokens"] > 0
    drafters = {count["drafter"] for count in stats["draft_counts"]}
    assert drafters and drafters <= {"file lookup", "prompt lookup"}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_draft_model_drafts(run: Run, tmp_path: Path, engine: str) -> None:
    stats = stats_of(run, tmp_path, "--model", "demo:target", "--engine", engine, "--draft", "auto")
    assert "draft model" in {count["drafter"] for count in stats["draft_counts"]}
    assert stats["accepted_tokens"] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_the_option_turns_every_drafter_off(run: Run, tmp_path: Path, engine: str) -> None:
    options = ("--model", "demo:target", "--engine", engine, "--draft", "off")
    stats = stats_of(run, tmp_path, *options)
    assert (stats["drafted_tokens"], stats["draft_counts"]) == (0, [])


@pytest.mark.parametrize("engine", ENGINES)
def test_so_does_a_profile(run: Run, tmp_path: Path, engine: str) -> None:
    profiles = app_paths().profiles
    profiles.mkdir(parents=True)
    (profiles / "plain.toml").write_text(
        f'model = "demo:target"\nengine = "{engine}"\ndraft = "off"\n'
    )
    stats = stats_of(run, tmp_path, "--profile", "plain")
    assert (stats["engine"], stats["drafted_tokens"], stats["draft_counts"]) == (engine, 0, [])
