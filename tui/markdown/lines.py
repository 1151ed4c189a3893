"""Styled text and its lines: what layout makes and a palette colors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len

EDGE = "edge"
"""Style of decoration: drawn, but no part of the text that a selection copies."""

_WIDE = (
    "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
)
_WORD = re.compile(
    rf"[{_WIDE}][\u3001-\u3002\uff0c\uff0e\uff01\uff1f\uff1a\uff1b\u300d\u300f\uff09\u3011]*\s*|[^\s{_WIDE}]+\s*|\s+"
)


class Run(NamedTuple):
    """Text in one style; `style` is a space-separated list of names that a palette knows."""

    text: str
    style: str = ""
    link: str = ""


class Line(NamedTuple):
    """One row. `join` is what stands between it and the row above in the text itself.

    A row that was only wrapped joins with a space or with nothing; `fill` is the style of the cells
    to the right of the text.
    """

    runs: tuple[Run, ...]
    join: str = "\n"
    fill: str = ""

    @property
    def text(self) -> str:
        return "".join([run.text for run in self.runs])

    def indented(self, prefix: Run) -> Line:
        """The same row with `prefix` in front of it."""
        return Line((prefix, *self.runs), self.join, self.fill)


BLANK_LINE = Line(())


def cells(text: str) -> int:
    """Terminal cells that `text` takes."""
    return len(text) if text.isascii() else cell_len(text)


def runs_width(runs: Iterable[Run]) -> int:
    """Terminal cells that `runs` take."""
    return sum([cells(run.text) for run in runs])


def wrap(runs: Sequence[Run], width: int, fill: str = "") -> list[Line]:
    """`runs` in lines of at most `width` cells; a newline in a run starts a line."""
    lines: list[Line] = []
    for paragraph in _split_lines(runs):
        text = "".join([run.text for run in paragraph])
        if text.isascii() and len(text) <= width:
            lines.append(Line(tuple(paragraph), "\n", fill))
            continue
        for start, end, join in _breaks(text, max(1, width)):
            lines.append(Line(tuple(_slice(paragraph, start, end)), join, fill))
    return lines


def fold(runs: Sequence[Run], width: int, fill: str = "") -> list[Line]:
    """`runs` in lines of exactly `width` cells but the last: how code wraps, white space kept."""
    text = "".join([run.text for run in runs])
    if text.isascii() and len(text) <= width:
        return [Line(tuple(runs), "\n", fill)]
    lines: list[Line] = []
    start = 0
    while start < len(text) or not lines:
        end = _fit(text, start, max(1, width))
        lines.append(Line(tuple(_slice(runs, start, end)), "" if lines else "\n", fill))
        start = end
    return lines


def clip(runs: Sequence[Run], width: int) -> tuple[Run, ...]:
    """`runs` cut to `width` cells; an ellipsis says that something was cut."""
    if runs_width(runs) <= width:
        return tuple(runs)
    text = "".join([run.text for run in runs])
    end = _fit(text, 0, width - 1) if width > 1 else 0
    return (*_slice(runs, 0, end), Run("…", "muted"))


def _split_lines(runs: Sequence[Run]) -> Iterator[list[Run]]:
    paragraph: list[Run] = []
    for run in runs:
        first, *rest = run.text.split("\n")
        if first:
            paragraph.append(run if not rest else run._replace(text=first))
        for part in rest:
            yield paragraph
            paragraph = [run._replace(text=part)] if part else []
    yield paragraph


def _breaks(text: str, width: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and join of each line of `text`, broken between words."""
    start = end = used = 0
    join = "\n"
    for match in _WORD.finditer(text):
        word = match[0]
        body_width = cells(word.rstrip())
        if used and used + body_width > width:
            yield start, end, join
            join = " " if text[match.start() - 1].isspace() else ""
            start, used = match.start(), 0
        while body_width > width:
            cut = _fit(text, start, width)
            yield start, cut, join
            start, join = cut, ""
            body_width = cells(text[start : match.end()].rstrip())
        end = match.start() + len(word.rstrip())
        used = cells(text[start : match.end()])
    yield start, max(start, end), join


def _fit(text: str, start: int, width: int) -> int:
    """Where a line of `width` cells that begins at `start` ends; at least one character on."""
    used = 0
    for index in range(start, len(text)):
        used += cells(text[index])
        if used > width:
            return max(index, start + 1)
    return len(text)


def _slice(runs: Sequence[Run], start: int, end: int) -> Iterator[Run]:
    position = 0
    for run in runs:
        length = len(run.text)
        if position >= end:
            return
        if position + length > start:
            text = run.text[max(0, start - position) : end - position]
            yield run if len(text) == length else run._replace(text=text)
        position += length
