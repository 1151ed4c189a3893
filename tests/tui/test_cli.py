from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.terminal.home import home_environment
from tui.cli import COMMANDS, program
from tui.version import VERSION


def run_program(
    *arguments: str, home: Path, term: str = "xterm-256color"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=home_environment(home, term),
    )


def test_version_needs_nothing_but_click(tmp_path: Path) -> None:
    code = (
        "import sys; from tui.cli import main; sys.argv[1:] = ['--version']\n"
        "try: main()\n"
        "except SystemExit: print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    version, modules = done.stdout.splitlines()
    assert version == f"llm-tui {VERSION}"
    heavy = {"textual", "rich", "mlx", "llama_cpp", "jinja2", "psutil", "sqlite3", "platformdirs"}
    assert not heavy & set(modules.split())
    assert not {"conversation", "engines", "profiles"} & set(modules.split())


def test_the_installed_version_is_the_programs() -> None:
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'path = "tui/version.py"' in pyproject


def test_help_lists_options_and_every_command() -> None:
    text = CliRunner().invoke(program, ["--help"]).stdout
    assert "Usage: llm-tui" in text or "Usage: program" in text
    for word in (*COMMANDS, "--profile", "--engine [mlx|llama.cpp|auto]", "--continue", "FILE"):
        assert word in text
    assert "scripted" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(program, [command, "--help"])
    assert result.exit_code == 0
    assert command in result.stdout


def test_without_a_terminal_it_points_to_ask_in_one_line(tmp_path: Path) -> None:
    done = run_program(home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "llm-tui ask" in done.stderr


def test_a_dumb_terminal_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("tui.command_line.terminal_check.has_terminal", lambda: True)
    result = CliRunner().invoke(program, [])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "TERM=dumb" in result.stderr
    assert "llm-tui repl" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/no/such/file",), "no file called /no/such/file"),
        (("sesions", "list"), "Did you mean the command sessions?"),
        (("--profile", "chat", "ask", "Hello"), "Write the command first: llm-tui ask"),
        (("--continue", "--session", "x"), "not both"),
        (("--nonsense",), "No such option"),
        (("sessions", "rename"), "No such command"),
    ],
)
def test_a_wrong_use_is_told_with_2(arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(program, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_options_and_files_reach_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("notes")
    seen = []
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("tui.command_line.terminal_check.has_terminal", lambda: True)
    monkeypatch.setattr("tui.app.run_app", lambda options: seen.append(options))
    arguments = ["--engine", "llama.cpp", "--draft", "off", "--debug", str(notes), "--continue"]
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 0, result.output
    [options] = seen
    assert (options.engine, options.draft, options.files) == ("llama.cpp", "off", (notes,))
    assert options.continue_last and options.debug


def test_an_unexpected_error_is_one_line_without_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the disk\nis on fire")

    monkeypatch.setattr("tui.command_line.profiles._catalog", fail)
    result = CliRunner().invoke(program, ["profiles", "list"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "RuntimeError: the disk is on fire" in result.stderr
    assert "--debug" in result.stderr
    loud = CliRunner().invoke(program, ["profiles", "list", "--debug"])
    assert isinstance(loud.exception, RuntimeError)


def test_an_interrupt_leaves_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tui.command_line.profiles._catalog", interrupt)
    assert CliRunner().invoke(program, ["profiles", "list"]).exit_code == 130


def test_a_terminal_that_is_not_utf_8_gets_its_answer(tmp_path: Path) -> None:
    environment = home_environment(tmp_path, "xterm") | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", "profiles", "show", "chat"],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )
    assert done.returncode == 0
    assert "draft_model" in done.stdout


def test_an_engine_stuck_in_its_library_does_not_keep_the_program(tmp_path: Path) -> None:
    code = (
        "import sys, threading; from tui.cli import main\n"
        "threading.Thread(target=threading.Event().wait, name='engine-mlx').start()\n"
        "sys.argv[1:] = ['profiles', 'show', 'nope']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=home_environment(tmp_path, "xterm"),
    )
    assert done.returncode == 1
    assert "no profile called nope" in done.stderr
