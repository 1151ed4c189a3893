"""A Markdown text that grows: finished blocks are parsed and laid out once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tui.markdown.blocks import CodeBlock, ListItem, PlacedBlock, Quote
from tui.markdown.inline import InlineReader
from tui.markdown.layout import Layout, lay_out_blocks
from tui.markdown.lines import BLANK_LINE, Line
from tui.markdown.open_fence import OpenFence
from tui.markdown.parser import parse_blocks
from tui.sanitize import TextCleaner

_UNDECIDED = re.compile(r"[ \t]*[-=*_+#>`~|:.)\d ]*\Z")
"""A last line that may still become a rule, a fence, a list item or a table: not shown yet."""


class MarkdownDocument:
    """Parses appended text from the last open block on, and lays it out in lines.

    Blocks are only finished by whole lines of text, so the finished document does not depend on
    how the text was cut into chunks.
    """

    def __init__(self) -> None:
        self._cleaner = TextCleaner()
        self._source: list[str] = []
        self._env: dict[str, Any] = {}
        self._inline = InlineReader(self._env)
        self._blocks: list[PlacedBlock] = []
        self._open: list[PlacedBlock] = []
        self._fence: OpenFence | None = None
        self._tail = ""
        self._tail_gap = 0
        self._tail_number: int | None = None
        self._layout = Layout(0, True, self._inline)
        self._laid_out_count = 0
        self._finished_line_count = 0
        self._is_stale = False
        self.lines: list[Line] = []

    @property
    def source(self) -> str:
        """The text so far, made printable."""
        return "".join(self._source)

    def append(self, text: str) -> None:
        """Take in more text."""
        self._take(self._cleaner.clean(text))

    def finish(self) -> None:
        """The text has ended: its last line is whole, and every link reference is known."""
        self._take(self._cleaner.flush())
        if self._fence:
            self._fence.finish()
            self._close_fence()
        self._blocks += self._parse(self._tail)
        self._tail, self._open = "", []
        self._is_stale = self._is_stale or bool(self._env.get("references"))

    def code_blocks(self) -> list[CodeBlock]:
        """Every code block, nested ones included, in order."""
        found = list(_find_code([*self._blocks, *self._open]))
        return [*found, self._fence.block()] if self._fence else found

    def lay_out(self, width: int, wraps_code: bool = True) -> int:
        """Bring `lines` up to date; returns the index of the first line that changed."""
        if self._is_stale or (width, wraps_code) != (self._layout.width, self._layout.wraps_code):
            self._start_over(width, wraps_code)
        before = self.lines
        finished = before[: self._finished_line_count]
        finished += lay_out_blocks(self._blocks[self._laid_out_count :], self._layout)
        first_changed = self._finished_line_count
        self._laid_out_count = len(self._blocks)
        self._finished_line_count = len(finished)
        self.lines = finished + self._open_lines()
        return _first_difference(before, self.lines, first_changed)

    def _take(self, text: str) -> None:
        if not text:
            return
        self._source.append(text)
        if self._fence:
            rest = self._fence.append(text)
            if rest is None:
                return
            self._close_fence()
            text = rest
        self._tail += text
        if "\n" in text:
            self._finish_blocks()
        shown = self._tail
        start = shown.rfind("\n") + 1
        if _UNDECIDED.match(shown, start):
            shown = shown[:start]
        self._open = [] if self._fence else self._parse(shown, is_final=False)

    def _finish_blocks(self) -> None:
        """Move all blocks of the tail but the last to the finished ones."""
        end = self._tail.rindex("\n") + 1
        blocks = self._parse(self._tail[:end])
        if not blocks:
            return
        *finished, last = blocks
        if finished:
            self._blocks += finished
            self._tail = self._tail.split("\n", last.line)[-1]
            self._tail_gap = last.gap
            self._tail_number = last.block.number if isinstance(last.block, ListItem) else None
        if isinstance(last.block, CodeBlock):
            self._open_fence(blocks)

    def _open_fence(self, blocks: list[PlacedBlock]) -> None:
        line = 0 if len(blocks) > 1 else blocks[0].line
        started = OpenFence.start(self._tail.split("\n", line)[-1])
        if started is None:
            return
        self._fence, rest = started
        self._tail = ""
        self._take_into_fence(rest)

    def _take_into_fence(self, text: str) -> None:
        assert self._fence
        rest = self._fence.append(text)
        if rest is not None:
            self._close_fence()
            self._tail = rest
            if "\n" in rest:
                self._finish_blocks()

    def _close_fence(self) -> None:
        assert self._fence
        self._blocks.append(PlacedBlock(self._fence.block(), self._tail_gap, 0))
        self._fence, self._tail_gap, self._tail_number = None, 1, None

    def _parse(self, text: str, is_final: bool = True) -> list[PlacedBlock]:
        """Blocks of `text`; half a link reference must not be remembered."""
        if not text.strip():
            return []
        env = self._env if is_final else {"references": {}}
        gap, number = self._tail_gap, self._tail_number
        return parse_blocks(text, env, first_gap=gap, first_number=number)

    def _open_lines(self) -> list[Line]:
        if self._fence:
            return [BLANK_LINE] * self._tail_gap + self._fence.lines(self._layout)
        return list(lay_out_blocks(self._open, self._layout))

    def _start_over(self, width: int, wraps_code: bool) -> None:
        if self._is_stale:
            self._inline.clear()
        self._is_stale = False
        self._layout = Layout(width, wraps_code, self._inline)
        self._laid_out_count = self._finished_line_count = 0


def _find_code(blocks: Iterable[PlacedBlock]) -> Iterable[CodeBlock]:
    for block, _, _ in blocks:
        if isinstance(block, CodeBlock):
            yield block
        elif isinstance(block, Quote | ListItem):
            yield from _find_code(block.children)


def _first_difference(before: list[Line], after: list[Line], start: int) -> int:
    for index in range(start, min(len(before), len(after))):
        if before[index] is not after[index] and before[index] != after[index]:
            return index
    return min(len(before), len(after))
