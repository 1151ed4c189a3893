"""What a modern terminal answers when a program asks about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.terminal.sequences import Sequence

CELL_WIDTH_PX, CELL_HEIGHT_PX = 9, 18
RESETTABLE_MODES = {1, 12, 1000, 1002, 1003, 1004, 1006, 1049, 2004, 2026}
ALWAYS_SET_MODES = {7, 25}
FOREGROUND, BACKGROUND, PALETTE = "d0d0/d0d0/d0d0", "1010/1010/1818", "8080/8080/8080"


@dataclass
class TerminalQueries:
    """Answers queries: device attributes, cursor position, modes, keyboard, colours, sizes.

    Args:
        columns: Width in cells.
        rows: Height in cells.
        cursor: Gives the cursor as (row, column), both from 1.
        kitty_keyboard: Whether this terminal knows the kitty keyboard protocol.
    """

    columns: int
    rows: int
    cursor: Callable[[], tuple[int, int]]
    kitty_keyboard: bool = True
    keyboard_flags: list[int] = field(default_factory=lambda: [0])

    def reply(self, sequence: Sequence) -> str:
        """The answer to `sequence`, empty where a terminal says nothing."""
        answer = _ANSWERS.get(sequence.kind)
        return answer(self, sequence) if answer else ""

    def _device_status(self, sequence: Sequence) -> str:
        if sequence.params == "5":
            return "\x1b[0n"
        if sequence.params == "996":
            return "\x1b[?997;1n"
        row, column = self.cursor()
        return f"\x1b[{sequence.kind[:-1]}{row};{column}R"

    def _mode(self, sequence: Sequence) -> str:
        mode = sequence.numbers[0]
        state = 1 if mode in ALWAYS_SET_MODES else 2 if mode in RESETTABLE_MODES else 0
        return f"\x1b[?{mode};{state}$y"

    def _keyboard_query(self, _: Sequence) -> str:
        return f"\x1b[?{self.keyboard_flags[-1]}u" if self.kitty_keyboard else ""

    def _keyboard_push(self, sequence: Sequence) -> str:
        if self.kitty_keyboard:
            self.keyboard_flags.append(sequence.numbers[0])
        return ""

    def _keyboard_pop(self, sequence: Sequence) -> str:
        keep = max(1, len(self.keyboard_flags) - (sequence.numbers[0] or 1))
        del self.keyboard_flags[keep:]
        return ""

    def _window(self, sequence: Sequence) -> str:
        height, width = self.rows * CELL_HEIGHT_PX, self.columns * CELL_WIDTH_PX
        return {
            14: f"\x1b[4;{height};{width}t",
            16: f"\x1b[6;{CELL_HEIGHT_PX};{CELL_WIDTH_PX}t",
            18: f"\x1b[8;{self.rows};{self.columns}t",
        }.get(sequence.numbers[0], "")

    def _colour(self, sequence: Sequence) -> str:
        name, _, asked = sequence.params.rpartition(";")
        if asked != "?":
            return ""
        colour = {"10": FOREGROUND, "11": BACKGROUND}.get(name, PALETTE)
        return f"\x1b]{name};rgb:{colour}\x1b\\"

    def _device_control(self, sequence: Sequence) -> str:
        if sequence.params.startswith("+q"):
            return f"\x1bP0+r{sequence.params[2:]}\x1b\\"
        return "\x1bP0$r\x1b\\" if sequence.params.startswith("$q") else ""


_ANSWERS: dict[str, Callable[[TerminalQueries, Sequence], str]] = {
    "c": lambda *_: "\x1b[?62;22c",
    ">c": lambda *_: "\x1b[>41;380;0c",
    "=c": lambda *_: "\x1bP!|00000000\x1b\\",
    "n": TerminalQueries._device_status,
    "?n": TerminalQueries._device_status,
    "?$p": TerminalQueries._mode,
    "?u": TerminalQueries._keyboard_query,
    ">u": TerminalQueries._keyboard_push,
    "<u": TerminalQueries._keyboard_pop,
    ">q": lambda *_: "\x1bP>|pty(1.0)\x1b\\",
    "t": TerminalQueries._window,
    "OSC": TerminalQueries._colour,
    "DCS": TerminalQueries._device_control,
}
