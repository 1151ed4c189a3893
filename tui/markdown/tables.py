"""Lays tables out: aligned columns that fit the width, wide cells wrapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui.markdown.blocks import Table
from tui.markdown.inline import InlineReader
from tui.markdown.lines import EDGE, Line, Run, runs_width, wrap

_SEPARATOR = Run(" │ ", "rule")
_NARROWEST_COLUMN = 5

Cell = tuple[Run, ...]


def lay_out_table(table: Table, width: int, inline: InlineReader) -> Iterator[Line]:
    """The lines of `table`; as a list of records where its columns would get too narrow."""
    header = [_in_header(inline.read(text)) for text in table.header]
    rows = [[inline.read(text) for text in row] for row in table.rows]
    available = width - (len(header) - 1) * len(_SEPARATOR.text)
    widths = [max(map(_cell_width, column)) for column in zip(header, *rows, strict=True)]
    if sum(widths) > available and available < _NARROWEST_COLUMN * len(widths):
        yield from _records(header, rows, width)
        return
    widths = _fitted(widths, available)
    yield from _row(header, widths, table.alignments)
    yield Line((Run("─┼─".join("─" * column for column in widths), f"{EDGE} rule"),))
    for row in rows:
        yield from _row(row, widths, table.alignments)


def _in_header(cell: Cell) -> Cell:
    return tuple(run._replace(style=f"table_header {run.style}".strip()) for run in cell)


def _cell_width(cell: Cell) -> int:
    if any("\n" in run.text for run in cell):
        return max(runs_width(line.runs) for line in wrap(cell, 1_000_000))
    return max(1, runs_width(cell))


def _fitted(widths: Sequence[int], available: int) -> list[int]:
    """Column widths that sum up to `available` at most; only the widest columns give way."""
    fitted = list(widths)
    excess = sum(fitted) - available
    while excess > 0:
        widest = max(fitted)
        narrower = max([width for width in fitted if width < widest], default=1)
        columns = [index for index, width in enumerate(fitted) if width == widest]
        step = max(1, min(widest - narrower, excess // len(columns)))
        for index in columns[: excess // step]:
            fitted[index] -= step
        excess = sum(fitted) - available
    return fitted


def _row(row: Sequence[Cell], widths: Sequence[int], alignments: Sequence[str]) -> Iterator[Line]:
    columns = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    for index in range(max(map(len, columns))):
        runs: list[Run] = []
        for column, width, alignment in zip(columns, widths, alignments, strict=True):
            cell = column[index].runs if index < len(column) else ()
            runs += [_SEPARATOR] if runs else []
            runs += _aligned(cell, width, alignment)
        yield Line(tuple(runs))


def _aligned(cell: Cell, width: int, alignment: str) -> Iterator[Run]:
    space = width - runs_width(cell)
    left = {"right": space, "center": space // 2}.get(alignment, 0)
    if left > 0:
        yield Run(" " * left)
    yield from cell
    if space > left:
        yield Run(" " * (space - left))


def _records(header: Sequence[Cell], rows: Sequence[Sequence[Cell]], width: int) -> Iterator[Line]:
    for number, row in enumerate(rows):
        if number:
            yield Line((Run("─" * width, f"{EDGE} rule"),))
        for name, cell in zip(header, row, strict=True):
            yield from wrap((*name, Run(": "), *cell), width)
