"""A row of the picker as one line of cells, as a pure function of the row and the width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from tui.models.downloads import Download, DownloadState, download_text
from tui.models.row import DOWNLOAD, ModelRow, gb_text

MUTED = "$foreground-muted"
VERDICT_STYLES = {
    "fits": "$text-success",
    "tight": "$text-warning",
    "no": "$text-error",
    "broken": "$text-error",
}
_GAP = 2
_LEAST_NAME = 26


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    width: int
    style: str = ""
    is_right: bool = False


def row_line(
    row: ModelRow,
    download: Download | None,
    width: int,
    is_used: bool = False,
    is_highlighted: bool = False,
) -> Content:
    """The name, and on the right as many figures as there is room for, the most wanted first.

    Args:
        is_used: The conversation in view runs this model.
        is_highlighted: It lies under the cursor, on which other colors could not be read.
    """
    if download is not None and download.state is not DownloadState.DONE and not row.is_here:
        cells = [_download_cell(download, width)]
    else:
        cells = _fitting(list(_cells(row)), width)
    taken = sum(cell.width + _GAP for cell in cells)
    mark = "● " if is_used else "  "
    room = max(0, width - taken - 2)
    name = set_cell_size(short_name(row.name, room), room)
    parts: list[tuple[str, str]] = [(mark, "$text-accent"), (name, "" if row.is_here else MUTED)]
    for cell in cells:
        padding = " " * max(0, cell.width - cell_len(cell.text))
        text = padding + cell.text if cell.is_right else cell.text + padding
        parts += [(" " * _GAP, ""), (text, cell.style)]
    line = Content.assemble(*parts)
    return Content(line.plain) if is_highlighted else line


def short_name(name: str, width: int) -> str:
    """The name in so many cells: without the organization first, then without its middle."""
    return name if cell_len(name) <= width else _shortened(name.rpartition("/")[2], width)


_MOST_TPS = 999
"""Faster than anyone reads; there is no room for a longer figure."""


def tps_text(row: ModelRow) -> str:
    """`~22 tok/s` predicted, `22 tok/s` measured; empty where neither is known."""
    if not row.decode_tps:
        return ""
    if row.decode_tps > _MOST_TPS:
        return f">{_MOST_TPS} tok/s"
    digits = 0 if row.decode_tps >= 10 else 1
    figure = f"{row.decode_tps:,.{digits}f} tok/s"
    return figure if row.is_measured else f"~{figure}"


def window_text(tokens: int | None) -> str:
    """`32K`: a context window as people call it."""
    if not tokens:
        return ""
    return f"{tokens // 1024}K" if tokens >= 1024 else f"{tokens}"


def _cells(row: ModelRow) -> Iterator[_Cell]:
    """In the order on the screen; `_WANTED` says which stay where there is little room."""
    size = gb_text(row.size_bytes) if row.size_bytes else ""
    yield _Cell(_shortened(row.quantization, 10), 10, MUTED)
    yield _Cell(window_text(row.context_window_tokens), 5, MUTED, is_right=True)
    yield _Cell(_shortened(" ".join(row.engines[:1]), 9), 9, MUTED)
    yield _Cell(row.source, 12, "$text-accent" if row.source == DOWNLOAD else MUTED)
    yield _Cell(size, 8, is_right=True)
    yield _Cell(row.verdict, 6, VERDICT_STYLES.get(row.verdict, MUTED))
    yield _Cell(_shortened(tps_text(row), 10), 10, is_right=True)


_WANTED = (5, 4, 6, 3, 0, 1, 2)


def _fitting(cells: list[_Cell], width: int) -> list[_Cell]:
    room = width - 2 - _LEAST_NAME
    kept: list[int] = []
    for place in _WANTED:
        if cells[place].width + _GAP > room:
            break
        room -= cells[place].width + _GAP
        kept.append(place)
    return [cells[place] for place in sorted(kept)]


def _download_cell(download: Download, width: int) -> _Cell:
    text = _shortened(download_text(download), max(10, width - _LEAST_NAME))
    is_failed = download.state is DownloadState.FAILED
    return _Cell(text, cell_len(text), "$text-error" if is_failed else "$text-accent")


def _shortened(text: str, width: int) -> str:
    """The beginning and the end: names of models differ at the end as well."""
    if cell_len(text) <= width or width < 8:
        return set_cell_size(text, max(0, width)) if cell_len(text) > width else text
    head = set_cell_size(text, (width - 1) * 2 // 3).rstrip()
    tail = text
    while cell_len(tail) > width - 1 - cell_len(head):
        tail = tail[1:]
    return f"{head}…{tail}"
