"""`llm-tui repl` in a real terminal."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.chat import numbered_words
from tests.end_to_end.conftest import Launch

pytestmark = pytest.mark.pty


def test_a_conversation_line_by_line(launch: Launch) -> None:
    program = launch("repl", script="The first one.\n%%%\nThe second one.")
    program.wait_for("Chat>")
    program.type("one\n")
    program.wait_for("The first one.")
    program.wait_for(re.compile(r"\d tok/s"))
    program.type("two\n")
    program.wait_for("The second one.")
    program.wait_until(lambda: program.screen.text.count("Chat>") == 3, 10, "the next prompt")
    program.press("ctrl+d")
    assert program.wait_exit() == 0


def test_ctrl_c_stops_the_answer_and_the_prompt_is_back(launch: Launch) -> None:
    program = launch("repl", script=numbered_words(900), rate_tps=60)
    program.wait_for("Chat>")
    program.type("count\n")
    program.wait_for("w020")
    program.press("ctrl+c")
    program.type("/profile\n")
    program.wait_for("* chat")
    assert "w900" not in program.screen.text


def test_commands_switch_the_profile_and_begin_anew(launch: Launch) -> None:
    program = launch("repl", script="An answer.")
    program.wait_for("Chat>")
    program.type("/profile nope\n")
    program.wait_for("There is no profile called nope.")
    program.type("/profile coding\n")
    program.wait_for("Coding>")
    program.type("/new\n")
    program.wait_for("A new conversation.")
    program.type("/what\n")
    program.wait_for("There is no command /what.")
    program.type("/quit\n")
    assert program.wait_exit() == 0


def test_an_engine_is_pinned_and_released(launch: Launch) -> None:
    program = launch("repl", "--profile", "coding")
    program.wait_for("Coding>")
    program.type("/engine remote\n")
    program.wait_for("Choose one of: mlx, llama.cpp, auto.")
    program.type("/engine mlx\n")
    program.wait_for("From the next message on: mlx.")
    program.type("/engine auto\n")
    program.wait_for("From the next message on: auto.")
    program.type("/quit\n")
    assert program.wait_exit() == 0


def test_what_the_model_writes_cannot_steer_the_terminal(launch: Launch) -> None:
    program = launch("repl", script="a\x1b]52;c;aGk=\x07b\x1b[2Jc and the end.")
    program.wait_for("Chat>")
    program.type("go\n")
    program.wait_for("and the end.")
    assert b"\x1b]52" not in program.output
    assert b"\x1b[2J" not in program.output
