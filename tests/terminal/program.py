"""A program in a real pseudo-terminal: keys go in, and what a person would see comes out."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.terminal.home import home_environment
from tests.terminal.keys import encode_key
from tests.terminal.process_tree import ProcessTree
from tests.terminal.queries import CELL_HEIGHT_PX, CELL_WIDTH_PX, TerminalQueries
from tests.terminal.screen import TerminalScreen
from tests.terminal.sequences import Sequence as ControlSequence
from tests.terminal.sequences import SequenceParser
from tests.terminal.watch import NotSeen, Wanted, Watch

SAMPLE_EVERY_S = 0.05
READ_BYTES = 1 << 18
STEP_S = 0.01


class TerminalProgram:
    """A program that runs in its own session on a pseudo-terminal of its own.

    Its output is recorded with the times at which it was read. The screen model is fed from that
    record by `show`, so that it takes no CPU time while a measurement runs.

    Args:
        command: Program and arguments.
        home: HOME and working directory; the XDG folders lie under it.
        environment: Additional variables; nothing is inherited but PATH.
        kitty_keyboard: Whether the terminal knows the kitty keyboard protocol.
    """

    def __init__(
        self,
        command: Sequence[str],
        home: Path,
        *,
        columns: int = 120,
        rows: int = 40,
        term: str = "xterm-256color",
        environment: Mapping[str, str] | None = None,
        kitty_keyboard: bool = True,
    ) -> None:
        self.screen = TerminalScreen(columns, rows)
        self.chunks: list[tuple[float, bytes]] = []
        self.changes_s: list[float] = []
        self.first_paint_s: float | None = None
        self._shown_chunks = 0
        self._watches: list[Watch] = []
        self._queries = TerminalQueries(columns, rows, self._cursor, kitty_keyboard)
        self._parser = SequenceParser()
        self._next_sample_s = 0.0
        self.has_closed = False
        self._terminal, program_side = os.openpty()
        self._set_size(columns, rows)
        self.started_s = time.monotonic()
        with warnings.catch_warnings():  # the child does no more than exec after the fork
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process = subprocess.Popen(
                [*command],
                stdin=program_side,
                stdout=program_side,
                stderr=program_side,
                env=home_environment(home, term) | dict(environment or {}),
                cwd=home,
                start_new_session=True,
                preexec_fn=_take_terminal,
            )
        os.close(program_side)
        os.set_blocking(self._terminal, False)
        self.tree = ProcessTree(self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def output(self) -> bytes:
        """Everything the program has written so far."""
        return b"".join(data for _, data in self.chunks)

    @property
    def keyboard_flags(self) -> list[int]:
        """The stack of kitty keyboard flags; [0] is a terminal as it was found."""
        return self._queries.keyboard_flags

    def read_for(self, seconds: float) -> None:
        """Record output for `seconds`, or until the program closes the terminal."""
        end_s = time.monotonic() + seconds
        while not self.has_closed:
            now_s = time.monotonic()
            if now_s >= self._next_sample_s:
                self.sample()
            if now_s >= end_s:
                return
            wait_s = max(0.0, min(end_s, self._next_sample_s) - now_s)
            if select.select([self._terminal], [], [], wait_s)[0]:
                self._read()

    def sample(self) -> None:
        """Note CPU time and memory now."""
        now_s = time.monotonic()
        self.tree.sample(now_s)
        self._next_sample_s = now_s + SAMPLE_EVERY_S

    def show(self, budget_s: float | None = None) -> bool:
        """Draw what was recorded, for `budget_s` at most; True when all of it is drawn."""
        end_s = time.monotonic() + budget_s if budget_s else None
        while self._shown_chunks < len(self.chunks):
            time_s, data = self.chunks[self._shown_chunks]
            self._shown_chunks += 1
            if self.screen.feed(data):
                self._note_change(time_s)
            if end_s and time.monotonic() > end_s:
                return False
        return True

    def watch(self, wanted: Wanted) -> Watch:
        """Note when `wanted` is next on the screen after a change."""
        self._watches.append(watch := Watch(wanted))
        return watch

    def wait_for(
        self,
        wanted: Wanted,
        timeout_s: float = 20.0,
    ) -> float:
        """The time at which `wanted` showed; it may show already.

        Raises:
            NotSeen: it did not show within `timeout_s`.
        """
        self.show()
        watch = self.watch(wanted)
        watch.look(time.monotonic(), self.screen)
        self.wait_until(lambda: watch.seen_s is not None, timeout_s, repr(wanted))
        self._watches = [other for other in self._watches if other is not watch]
        assert watch.seen_s is not None
        return watch.seen_s

    def wait_until(self, is_done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Read and draw until `is_done`.

        Raises:
            NotSeen: it was not so within `timeout_s`, or the program ended first.
        """
        end_s = time.monotonic() + timeout_s
        while not is_done():
            if self.has_closed and self.show() and not is_done():
                raise NotSeen(f"The program ended before {what}:\n{self.screen.text}")
            if time.monotonic() > end_s and self.show() and not is_done():
                raise NotSeen(f"Not seen in {timeout_s:g} s: {what}\n{self.screen.text}")
            self.read_for(STEP_S)
            self.show(budget_s=STEP_S)

    def press(self, *keys: str) -> float:
        """Press `keys`; the time just before the last of them."""
        pressed_s = 0.0
        for key in keys:
            data = encode_key(key, self._queries.keyboard_flags[-1])
            pressed_s = time.monotonic()
            self._write(data)
        return pressed_s

    def type(self, text: str, gap_s: float = 0.008) -> None:
        """Type `text` a key at a time, `gap_s` apart."""
        for character in text:
            self.press("enter" if character == "\n" else character)
            self.read_for(gap_s)

    def paste(self, text: str) -> None:
        """Paste `text`, bracketed as a terminal does."""
        self._write(b"\x1b[200~" + text.encode() + b"\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal; the program gets SIGWINCH."""
        self.show()
        self.screen.resize(columns, rows)
        self._queries.columns, self._queries.rows = columns, rows
        self._set_size(columns, rows)

    def line_modes(self) -> list[int]:
        """Input, output, control and local modes of the line (echo, signals and the like)."""
        modes: list[int] = termios.tcgetattr(self._terminal)[:4]
        return modes

    def kill(self) -> None:
        """SIGKILL to the program and all it started."""
        members = self.tree.members()
        for process in members:
            process.kill()
        self.process.wait(timeout=10)
        psutil.wait_procs(members[1:], timeout=10)
        self.read_for(0.05)

    def wait_exit(self, timeout_s: float = 10.0) -> int:
        """The exit code, once the program has ended.

        Raises:
            NotSeen: it still runs after `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        while self.process.poll() is None:
            if time.monotonic() > end_s:
                self.show()
                raise NotSeen(f"Still running after {timeout_s:g} s:\n{self.screen.text}")
            self.read_for(STEP_S)
            if self.has_closed:
                break
        code = self.process.wait(timeout=max(0.1, end_s - time.monotonic()))
        self.read_for(STEP_S)
        self.show()
        return code

    def close(self) -> None:
        """End the program if it still runs, and give the terminal back."""
        if self.process.poll() is None:
            self.kill()
        os.close(self._terminal)

    def _cursor(self) -> tuple[int, int]:
        self.show()
        return self.screen.cursor

    def _note_change(self, time_s: float) -> None:
        self.changes_s.append(time_s)
        if self.first_paint_s is None and any(self.screen.lines):
            self.first_paint_s = time_s
        for watch in self._watches:
            watch.look(time_s, self.screen)
        self._watches = [watch for watch in self._watches if watch.seen_s is None]

    def _read(self) -> None:
        try:
            data = os.read(self._terminal, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # how Linux says that the other side has closed
            data = b""
        if not data:
            self.has_closed = True
            return
        self.chunks.append((time.monotonic(), data))
        for part in self._parser.feed(data):
            if isinstance(part, ControlSequence) and (reply := self._queries.reply(part)):
                self._write(reply.encode())

    def _write(self, data: bytes) -> None:
        while data and not self.has_closed:
            try:
                data = data[os.write(self._terminal, data) :]
            except BlockingIOError:
                self.read_for(STEP_S)
            except OSError:
                self.has_closed = True

    def _set_size(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, columns * CELL_WIDTH_PX, rows * CELL_HEIGHT_PX)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
