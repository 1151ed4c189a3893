"""What a person does and sees in the chat."""

from __future__ import annotations

import re

from tests.terminal.program import TerminalProgram

PLACEHOLDER = "Ask anything"


def numbered_words(count: int) -> str:
    """A plain answer in which every word says how far it is."""
    return " ".join(f"w{number:03}" for number in range(1, count + 1))


def wait_for_prompt(program: TerminalProgram, timeout_s: float = 20.0) -> None:
    program.wait_for(PLACEHOLDER, timeout_s)


def ask(program: TerminalProgram, question: str) -> None:
    """Type a question and send it once it shows."""
    wait_for_prompt(program)
    program.type(question)
    program.wait_for(question)
    program.press("enter")


def transcript_rows(program: TerminalProgram) -> list[str]:
    """The rows above the prompt."""
    lines = program.screen.lines
    prompt = next(row for row, line in enumerate(lines) if line.startswith("╭"))
    return [line for line in lines[:prompt] if line]


def stats_bar(program: TerminalProgram) -> str:
    """The row of the stats bar."""
    program.show()
    rows = [line for line in program.screen.lines if "│ " in line and "tok/s" in line]
    return rows[-1].strip() if rows else ""


def wait_for_speed(program: TerminalProgram, timeout_s: float = 60.0) -> str:
    """The stats bar, once it shows a decode speed."""
    program.wait_for(re.compile(r"\d tok/s"), timeout_s)
    return stats_bar(program)
