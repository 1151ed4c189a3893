"""A home folder of its own for every test of a command, and a way to run commands in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.terminal.home import home_environment
from tui.cli import program

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, which platformdirs finds."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name, value in home_environment(folder, "xterm-256color").items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    """Runs `llm-tui` with the given arguments in this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run_program(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(program, [str(item) for item in arguments], input=stdin)

    yield run_program
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script of two answers for the scripted engine."""
    path = tmp_path / "answers.md"
    path.write_text("<think>Let me see.</think>The **first** answer.\n%%%\nThe second answer.\n")
    return path


@pytest.fixture
def ask_scripted(run: Run, script: Path) -> Run:
    """Runs `llm-tui ask` on the scripted engine."""

    def ask(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
        options = ("ask", "--engine", "scripted", "--script", script)
        return run(*options, *arguments, stdin=stdin)

    return ask
