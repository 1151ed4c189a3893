"""The installed program in a real terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.terminal.program import TerminalProgram

PROGRAM = str(Path(sys.executable).with_name("llm-tui"))


class Launch(Protocol):
    """Starts the program with arguments; `script` is what the scripted engine answers."""

    def __call__(
        self,
        *arguments: str,
        script: str | None = None,
        rate_tps: float = 200,
        columns: int = 120,
        rows: int = 40,
    ) -> TerminalProgram: ...


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """All starts in one test share a home folder; what still runs at the end is killed."""
    started: list[TerminalProgram] = []

    def start(
        *arguments: str,
        script: str | None = None,
        rate_tps: float = 200,
        columns: int = 120,
        rows: int = 40,
    ) -> TerminalProgram:
        if script is not None:
            path = tmp_path / f"answers-{len(started)}.md"
            path.write_text(script)
            arguments += ("--engine", "scripted", "--script", str(path), "--rate", f"{rate_tps}")
        program = TerminalProgram([PROGRAM, *arguments], tmp_path, columns=columns, rows=rows)
        started.append(program)
        return program

    yield start
    for program in started:
        program.close()
