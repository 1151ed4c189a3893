"""Started where no full-screen app can run, the program says so in one line and ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import PROGRAM
from tests.terminal.home import home_environment
from tests.terminal.program import TerminalProgram

pytestmark = pytest.mark.pty


def test_a_pipe_is_told_about_ask(tmp_path: Path) -> None:
    ended = subprocess.run(
        [PROGRAM],
        input="",
        capture_output=True,
        text=True,
        env=home_environment(tmp_path, "xterm-256color"),
        cwd=tmp_path,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) <= 2
    assert "llm-tui ask" in ended.stderr


def test_a_dumb_terminal_is_refused(tmp_path: Path) -> None:
    with TerminalProgram([PROGRAM], tmp_path, term="dumb") as program:
        assert program.wait_exit() == 2
        assert "TERM" in program.screen.text
        assert b"\x1b" not in program.output
