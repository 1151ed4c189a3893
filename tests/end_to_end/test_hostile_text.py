"""What a model writes is never a command to the terminal."""

from __future__ import annotations

import pytest

from tests.end_to_end.chat import ask, wait_for_prompt
from tests.end_to_end.conftest import Launch

pytestmark = pytest.mark.pty
ATTACKS = {
    "clipboard": "\x1b]52;c;aGFja2Vk\x07",
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[31mred",
    "c1": "\x9b2Jc1\x9d52;c;aGFja2Vk\x9c",
    "leave": "\x1b[?1049l\x1b[?25h\x1bc",
    "bell": "\x07\x07",
    "backspace": "safe\x08\x08\x08\x08evil",
    "markup": "[bold red]markup[/] [@click=app.quit]go[/]",
    "direction": "\u202egnp.exe",
}
FORBIDDEN = [b"\x1b]52", b"\x1b]0;owned", b"\xc2\x9b", b"\xc2\x9d", b"\x07\x07", b"\x1bc", b"\x08"]


SHAPES = ("{}", "```\n{}\n```", "- **{}**", "| a |\n|---|\n| {} |", "## `{}`")


@pytest.mark.parametrize("name", ATTACKS)
def test_no_escape_of_the_model_reaches_the_terminal(launch: Launch, name: str) -> None:
    attacks = "\n\n".join(shape.format(ATTACKS[name]) for shape in SHAPES)
    program = launch(script=f"Look:\n\n{attacks}\n\nDone with it.")
    ask(program, "attack")
    program.wait_for("Done with it.")
    wait_for_prompt(program)

    before_exit = program.output
    assert [mark for mark in FORBIDDEN if mark in before_exit] == []
    assert b"\x1b[?1049l" not in before_exit
    if name == "markup":
        assert "[bold red]markup[/]" in program.screen.text


def test_a_hostile_question_is_shown_and_stored_harmlessly(launch: Launch) -> None:
    program = launch(script="Done with it.")
    wait_for_prompt(program)
    program.paste("look \x1b]52;c;aGFja2Vk\x07 here")
    program.press("enter")
    program.wait_for("Done with it.")

    assert b"\x1b]52" not in program.output
