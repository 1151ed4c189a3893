"""A model that another program keeps is found, chosen and answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engines.demo import demo_model_path
from engines.registry import why_unavailable
from tests.end_to_end.chat import ask, wait_for_prompt
from tests.end_to_end.conftest import Launch
from tests.engines.model_files.model_store import write_ollama

pytestmark = [
    pytest.mark.pty,
    pytest.mark.model,
    pytest.mark.timeout(300),
    pytest.mark.skipif(why_unavailable("llama.cpp") is not None, reason="llama.cpp is missing"),
]


def _store_in_ollama(home: Path) -> None:
    path = demo_model_path("demo:target")
    assert path is not None
    write_ollama(home / ".ollama" / "models", "tiny-code:latest", path.read_bytes())


def test_a_model_of_ollama_answers_after_two_keys(launch: Launch, tmp_path: Path) -> None:
    _store_in_ollama(tmp_path)
    program = launch(columns=80, rows=24)
    wait_for_prompt(program)
    program.press("f4")
    program.wait_for("tiny-code")
    program.wait_for(re.compile(r"models? here"), 60)
    program.type("tiny-c")
    program.wait_for(lambda screen: "demo:draft" not in screen.text)
    program.press("enter")
    program.wait_for(lambda screen: "Models · " not in screen.text)
    wait_for_prompt(program)
    ask(program, "Write a Python function that adds two numbers")
    program.wait_for(re.compile(r"def \w+\("), 120)


def test_the_first_start_offers_what_is_here_and_keeps_the_choice(
    launch: Launch, tmp_path: Path
) -> None:
    _store_in_ollama(tmp_path)
    program = launch()
    wait_for_prompt(program)
    program.wait_for(re.compile(r"F7 +use what you have +tiny-code"), 60)
    program.press("f7")
    program.wait_for("Written to")
    program.press("ctrl+d")
    assert program.wait_exit() == 0

    again = launch()
    wait_for_prompt(again)
    again.wait_for("llm-tui demo (tiny)", 60)
    assert "F7" not in again.screen.text
    assert list(tmp_path.glob(".config/llm-tui/profiles/chat.toml"))
