"""The text on a terminal's screen, worked out from what a program wrote."""

from __future__ import annotations

import codecs

import pyte

from tests.terminal.sequences import Sequence, SequenceParser

AUTO_WRAP, CURSOR_SHOWN, ALTERNATE_SCREEN, SYNCHRONIZED_UPDATE = 7, 25, 1049, 2026
INITIAL_MODES = {AUTO_WRAP, CURSOR_SHOWN}
_NOT_DRAWN = bytes([*range(7), *range(14, 27), *range(28, 32), 127])
_PASSED_ON = set("ABCDEFGHJKLMPXadefghlr`@")
_SHORT_ESCAPES = {b"\x1b7", b"\x1b8", b"\x1bD", b"\x1bE", b"\x1bM", b"\x1bc"}


class TerminalScreen:
    """A screen of text. What is drawn inside a synchronized update shows when the update ends.

    Attributes:
        lines: The rows as shown, without trailing blanks.
        modes: The private modes that the program has set (`INITIAL_MODES` are set from the start).
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.lines = [""] * rows
        self.modes = set(INITIAL_MODES)
        self._main, self._alternate = pyte.Screen(columns, rows), pyte.Screen(columns, rows)
        self._streams = {screen: pyte.Stream(screen) for screen in (self._main, self._alternate)}
        self._screen = self._main
        self._parser = SequenceParser()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, both from 1."""
        cursor = self._screen.cursor
        return cursor.y + 1, min(cursor.x, self.columns - 1) + 1

    def feed(self, data: bytes) -> bool:
        """Draw `data`; True when the text that shows has changed."""
        changed = False
        for part in self._parser.feed(data):
            if isinstance(part, bytes):
                self._draw(part)
            else:
                was_updating = SYNCHRONIZED_UPDATE in self.modes
                self._apply(part)
                if was_updating and SYNCHRONIZED_UPDATE not in self.modes:
                    changed |= self._show()
        if SYNCHRONIZED_UPDATE not in self.modes:
            changed |= self._show()
        return changed

    def resize(self, columns: int, rows: int) -> None:
        """Take a new size, as a terminal does before it tells the program."""
        self.columns, self.rows = columns, rows
        for screen in (self._main, self._alternate):
            screen.resize(rows, columns)
            screen.dirty.update(range(rows))
        self.lines = [line[:columns] for line in self.lines[:rows]]
        self.lines += [""] * (rows - len(self.lines))

    def _draw(self, data: bytes) -> None:
        if text := self._decoder.decode(data.translate(None, _NOT_DRAWN)):
            self._streams[self._screen].feed(text)

    def _apply(self, sequence: Sequence) -> None:
        if sequence.kind in ("?h", "?l"):
            for mode in sequence.numbers:
                self._set_mode(mode, sequence.kind == "?h")
        elif sequence.kind in ("S", "T"):
            self._scroll(sequence.numbers[0] or 1, is_up=sequence.kind == "S")
        elif sequence.kind in _PASSED_ON or sequence.raw in _SHORT_ESCAPES:
            self._streams[self._screen].feed(sequence.raw.decode("ascii"))

    def _set_mode(self, mode: int, is_set: bool) -> None:
        (self.modes.add if is_set else self.modes.discard)(mode)
        if mode == ALTERNATE_SCREEN:
            self._screen = self._alternate if is_set else self._main
            if is_set:
                self._alternate.reset()
            self._screen.dirty.update(range(self.rows))

    def _scroll(self, count: int, is_up: bool) -> None:
        """Move the rows of the scrolling region; pyte knows it only as a move off its edge."""
        screen = self._screen
        top, bottom = screen.margins or (0, self.rows - 1)
        column, row = screen.cursor.x, screen.cursor.y
        for _ in range(min(count, self.rows)):
            screen.cursor.y = bottom if is_up else top
            (screen.index if is_up else screen.reverse_index)()
        screen.cursor.x, screen.cursor.y = column, row

    def _show(self) -> bool:
        changed = False
        dirty, self._screen.dirty = self._screen.dirty, set()
        for row in dirty:
            if row >= self.rows:
                continue
            cells = self._screen.buffer[row]
            line = "".join(cells[column].data for column in range(self.columns)).rstrip()
            changed |= line != self.lines[row]
            self.lines[row] = line
        return changed
