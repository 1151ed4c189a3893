"""However the program ends, the terminal is as it was."""

from __future__ import annotations

import signal

import pytest

from tests.end_to_end.chat import ask, numbered_words, wait_for_prompt
from tests.end_to_end.conftest import Launch
from tests.terminal.program import TerminalProgram
from tests.terminal.screen import ALTERNATE_SCREEN, INITIAL_MODES

pytestmark = pytest.mark.pty


@pytest.mark.parametrize("keys", [("ctrl+d",), ("ctrl+q",), ("ctrl+c", "ctrl+c")])
@pytest.mark.parametrize("has_answer", [False, True])
def test_a_key_leaves(launch: Launch, keys: tuple[str, ...], has_answer: bool) -> None:
    program = launch(script="A short answer.")
    before = program.line_modes()
    wait_for_prompt(program)
    if has_answer:
        ask(program, "hello")
        program.wait_for("A short answer.")
    assert ALTERNATE_SCREEN in program.screen.modes
    program.press(*keys)

    assert program.wait_exit() == 0
    assert_restored(program, before)


def test_leaving_does_not_wait_for_a_long_answer(launch: Launch) -> None:
    program = launch(script=numbered_words(900), rate_tps=20)
    before = program.line_modes()
    ask(program, "count")
    program.wait_for("w010")
    program.press("ctrl+q")

    assert program.wait_exit(timeout_s=5) == 0
    assert_restored(program, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(launch: Launch, number: signal.Signals) -> None:
    program = launch(script=numbered_words(900), rate_tps=60)
    before = program.line_modes()
    ask(program, "count")
    program.wait_for("w010")
    program.process.send_signal(number)

    assert program.wait_exit(timeout_s=5) != 0
    assert_restored(program, before)


def assert_restored(program: TerminalProgram, line_modes: list[int]) -> None:
    assert program.screen.modes == INITIAL_MODES
    assert program.keyboard_flags == [0]
    assert program.line_modes() == line_modes
    assert program.screen.text.strip() == ""
