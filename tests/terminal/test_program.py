from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.terminal.program import TerminalProgram
from tests.terminal.watch import NotSeen

pytestmark = pytest.mark.pty
Run = Callable[[str], TerminalProgram]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[TerminalProgram] = []

    def start(code: str) -> TerminalProgram:
        command = [sys.executable, "-c", f"import os, sys\n{code}"]
        started.append(TerminalProgram(command, tmp_path, columns=60, rows=10))
        return started[-1]

    yield start
    for program in started:
        program.close()


def test_keys_go_in_and_text_comes_out(run: Run) -> None:
    program = run("print('name?'); print('hello', input()); sys.exit(3)")
    asked_s = program.wait_for("name?")
    program.type("Ada\n")
    greeted_s = program.wait_for(re.compile(r"^hello Ada$", re.MULTILINE))

    assert program.started_s < asked_s < greeted_s
    assert program.wait_exit() == 3


def test_a_query_is_answered_while_the_program_waits(run: Run) -> None:
    program = run(
        "import tty; tty.setraw(0); print('abc\\x1b[6n', end='', flush=True)\n"
        "print(repr(os.read(0, 20)))"
    )
    program.wait_for(r"b'\x1b[1;4R'")


def test_the_home_folder_is_its_own(run: Run, tmp_path: Path) -> None:
    program = run(
        "print(os.environ['XDG_DATA_HOME'].removeprefix(os.environ['HOME']), os.getcwd())"
    )
    program.wait_for("/.local/share")
    assert str(tmp_path) in program.screen.text.replace("\n", "")


def test_a_new_size_reaches_the_program(run: Run) -> None:
    program = run(
        "import signal; signal.signal(signal.SIGWINCH, lambda *_: print(os.get_terminal_size()))\n"
        "print('ready'); [signal.pause() for _ in 'ab']"
    )
    program.wait_for("ready")
    program.resize(50, 12)
    program.wait_for("columns=50, lines=12")


def test_kill_ends_what_the_program_started_too(run: Run) -> None:
    program = run(
        "import subprocess, time\n"
        "print(subprocess.Popen(['sleep', '60']).pid, 'sleeps', flush=True); time.sleep(60)"
    )
    program.wait_for("sleeps")
    child = psutil.Process(int(program.screen.text.split()[0]))
    program.kill()

    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert program.process.returncode == -9


def test_what_does_not_show_raises_with_the_screen(run: Run) -> None:
    program = run("print('something else'); input()")
    program.wait_for("something")
    with pytest.raises(NotSeen, match="something else"):
        program.wait_for("never", timeout_s=0.1)


def test_cpu_time_and_memory_are_those_of_the_program(run: Run) -> None:
    program = run("sum(range(10**7)); print('done'); input()")
    done_s = program.wait_for("done")
    program.sample()

    assert 0.02 < program.tree.cpu_at(done_s + 1) < 60
    assert program.tree.peak_rss_bytes > 5_000_000
