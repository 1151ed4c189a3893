"""Lays blocks out in lines of a given width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tui.markdown.blocks import (
    Block,
    CodeBlock,
    Heading,
    ListItem,
    Paragraph,
    PlacedBlock,
    Quote,
    Rule,
    Table,
)
from tui.markdown.code import Runs, color_code, plain_code
from tui.markdown.inline import InlineReader
from tui.markdown.lines import BLANK_LINE, EDGE, Line, Run, cells, clip, fold, wrap
from tui.markdown.tables import lay_out_table
from tui.sanitize import one_line

_BULLETS = "•◦▪"
_QUOTE_BAR = Run("▌ ", f"{EDGE} quote_bar")
_CODE_EDGE = Run(" ", f"{EDGE} block")
_NARROWEST = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """How to lay out: `width` in cells; long lines of code are wrapped or clipped."""

    width: int
    wraps_code: bool
    inline: InlineReader

    def narrowed(self, columns: int) -> Layout:
        return Layout(max(_NARROWEST, self.width - columns), self.wraps_code, self.inline)


def lay_out_blocks(blocks: Iterable[PlacedBlock], layout: Layout) -> Iterator[Line]:
    """The lines of `blocks` from top to bottom, blank rows between them included."""
    for block, gap, _ in blocks:
        for _ in range(gap):
            yield BLANK_LINE
        yield from lay_out_block(block, layout)


def lay_out_block(block: Block, layout: Layout) -> Iterable[Line]:
    """The lines of one block."""
    match block:
        case Paragraph(text):
            return wrap(layout.inline.read(text), layout.width)
        case Heading(level, text):
            return _lay_out_heading(level, text, layout)
        case CodeBlock():
            return _lay_out_code(block, layout)
        case ListItem():
            return _lay_out_item(block, layout)
        case Quote(children):
            lines = lay_out_blocks(children, layout.narrowed(cells(_QUOTE_BAR.text)))
            return [line.indented(_QUOTE_BAR) for line in lines]
        case Table():
            return lay_out_table(block, layout.width, layout.inline)
        case Rule():
            return [Line((Run("─" * layout.width, f"{EDGE} rule"),))]


def code_header(language: str) -> Line:
    """The row above the code that names its language."""
    return Line((_CODE_EDGE, Run(one_line(language)[:40] or "code", "block label")), "\n", "block")


def code_line(runs: Runs, layout: Layout) -> list[Line]:
    """The rows of one line of code."""
    width = layout.width - 2
    if layout.wraps_code:
        rows = fold(runs, width, "block")
    else:
        rows = [Line(clip(runs, width), "\n", "block")]
    return [row.indented(_CODE_EDGE) for row in rows]


def _lay_out_code(block: CodeBlock, layout: Layout) -> Iterator[Line]:
    yield code_header(block.language)
    code = block.code.removesuffix("\n")
    colored = plain_code(code) if block.is_open else color_code(block.language, code)
    for runs in colored:
        yield from code_line(runs, layout)


def _lay_out_heading(level: int, text: str, layout: Layout) -> list[Line]:
    style = f"heading{level}"
    runs = [run._replace(style=f"{style} {run.style}".strip()) for run in layout.inline.read(text)]
    return wrap(runs, layout.width)


def _lay_out_item(item: ListItem, layout: Layout) -> Iterator[Line]:
    marker = _marker(item)
    indent = Run(" " * cells(marker.text))
    is_first = True
    for line in lay_out_blocks(item.children, layout.narrowed(cells(marker.text))):
        yield line.indented(marker if is_first else indent)
        is_first = False
    if is_first:
        yield Line((marker,))


def _marker(item: ListItem) -> Run:
    if item.is_done is not None:
        return Run("☑ ", "done") if item.is_done else Run("☐ ", "marker")
    if item.number is not None:
        return Run(f"{item.number}. ", "marker")
    return Run(_BULLETS[item.depth % len(_BULLETS)] + " ", "marker")
