"""A screen that sends the terminal only what it does not show yet.

Textual repaints the whole region of a container that scrolls. Here the rows on the terminal are
remembered: text that moved is moved by the terminal itself, and cells that stay are not sent again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.console import Console
from textual import events
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.geometry import Region, Size
from textual.screen import Screen, ScreenResultType
from textual.strip import Strip

Chops = Mapping[int, Strip | None]
"""Strips of one row by their first column; None where nothing was rendered."""

Row = dict[int, Strip]
Movement = tuple[int, int, int]
"""First row, end row and distance (positive: upwards)."""

_LEAST_MOVED_ROWS = 4


class LeanScreen(Screen[ScreenResultType]):
    """Base class for a screen whose updates are lean; everything else is as in `Screen`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lean_compositor = LeanCompositor()
        self._compositor = self._lean_compositor

    def on_screen_suspend(self, event: events.ScreenSuspend) -> None:
        self._lean_compositor.shown.forget()


class ShownRows:
    """What the terminal shows, row by row; a column that is missing is unknown."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def forget(self) -> None:
        """Something else has drawn on the terminal."""
        self._rows = []

    def replace(self, chops: Sequence[Chops]) -> None:
        """Everything has been drawn."""
        self._rows = [_rendered(row) for row in chops]

    def draw(self, chops: Mapping[int, Chops], size: Size, console: Console) -> str:
        """Terminal sequences that bring `chops` on a terminal of `size`."""
        if not self._rows:
            self._rows = [{} for _ in range(size.height)]
        wanted = {y: self._wanted(y, row, size.width) for y, row in chops.items()}
        output: list[str] = []
        if movement := self._find_movement(wanted, size.width):
            top, bottom, _ = movement
            wanted = {y: self._rows[y] for y in range(top, bottom)} | wanted
            output.append(self._move(*movement))
        for y, row in sorted(wanted.items()):
            for x, strip in row.items():
                if not _is_same(self._rows[y].get(x), strip):
                    output.append(f"\x1b[{y + 1};{x + 1}H{strip.render(console)}")
            self._rows[y] = row
        return "".join(output)

    def _wanted(self, y: int, chops: Chops, width: int) -> Row:
        """A row as it shall be: what was not rendered stays."""
        row: Row = {}
        for x, end in pairwise([*chops, width]):
            rendered = chops[x]
            strip = self._rows[y].get(x) if rendered is None else rendered
            if strip is not None and (rendered is strip or x + strip.cell_length == end):
                row[x] = strip
        return row

    def _find_movement(self, wanted: Mapping[int, Row], width: int) -> Movement | None:
        """How text moved, where it takes less to move it on the terminal than to draw it again."""
        old = {id(strip): y for y, row in enumerate(self._rows) for strip in row.values()}
        moves = [
            (y, old[id(strip)] - y)
            for y, row in wanted.items()
            for strip in row.values()
            if old.get(id(strip), y) != y
        ]
        distances = Counter(distance for _, distance in moves)
        distance, count = distances.most_common(1)[0] if distances else (0, 0)
        if count < _LEAST_MOVED_ROWS:
            return None
        moved = [y for y, moved_by in moves if moved_by == distance]
        movement = (min(moved) + min(0, distance), max(moved) + max(0, distance) + 1, distance)
        return movement if self._is_worth_it(movement, wanted, width) else None

    def _is_worth_it(self, movement: Movement, wanted: Mapping[int, Row], width: int) -> bool:
        """Whether the rows are known from edge to edge, and fewer cells are drawn."""
        top, bottom, distance = movement
        saved_cells = 0
        for y in range(top, bottom):
            row = wanted.get(y, self._rows[y])
            if sum(_widths(row)) != width:
                return False
            moved_here = self._rows[y + distance] if top <= y + distance < bottom else {}
            for x, strip in row.items():
                saved_cells += strip.cell_length * _is_same(moved_here.get(x), strip)
                saved_cells -= strip.cell_length * _is_same(self._rows[y].get(x), strip)
        return saved_cells > 0

    def _move(self, top: int, bottom: int, distance: int) -> str:
        """Scroll rows `top` to `bottom` on the terminal; the rows that appear are unknown."""
        rows = self._rows[top:bottom]
        unknown: list[Row] = [{} for _ in range(min(abs(distance), len(rows)))]
        kept = rows[distance:] if distance > 0 else rows[:distance]
        self._rows[top:bottom] = kept + unknown if distance > 0 else unknown + kept
        scroll = f"{distance}S" if distance > 0 else f"{-distance}T"
        return f"\x1b[0m\x1b[{top + 1};{bottom}r\x1b[{scroll}\x1b[r"


class LeanUpdate(ChopsUpdate):
    """An update that is compared with the shown rows at the moment it is written.

    Only strips inside the spans count: elsewhere a widget below may have been rendered alone.
    """

    def __init__(self, shown: ShownRows, update: ChopsUpdate) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)
        self._shown = shown

    def render_segments(self, console: Console) -> str:
        """The terminal sequences of the update."""
        rows: dict[int, dict[int, Strip | None]] = {}
        for y, start, end in self.spans:
            row = rows.setdefault(y, dict.fromkeys(self.chops[y]))
            for (x, strip), strip_end in zip(self.chops[y].items(), self.chop_ends[y], strict=True):
                if x < end and strip_end > start:
                    row[x] = strip
        return self._shown.draw(rows, Size(self.chop_ends[0][-1], len(self.chops)), console)


class FullUpdate(LayoutUpdate):
    """An update that draws the whole screen."""

    def __init__(self, shown: ShownRows, chops: Sequence[Chops], update: LayoutUpdate) -> None:
        super().__init__(update.strips, update.region)
        self._shown = shown
        self._chops = chops

    def render_segments(self, console: Console) -> str:
        """The terminal sequences of the update."""
        self._shown.replace(self._chops)
        return super().render_segments(console)


class LeanCompositor(Compositor):
    """A compositor that knows what the terminal shows."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = ShownRows()
        self._chops: Sequence[Chops] = ()

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        update = super().render_full_update(simplify)
        return FullUpdate(self.shown, self._chops, update)

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return LeanUpdate(self.shown, update) if update else None

    def _render_chops(
        self, crop: Region, is_rendered_line: Callable[[int], bool]
    ) -> Sequence[Mapping[int, Strip]]:
        chops = super()._render_chops(crop, is_rendered_line)
        self._chops = chops
        return chops


def _rendered(chops: Chops) -> Row:
    return {x: strip for x, strip in chops.items() if strip is not None}


def _widths(row: Row) -> Iterator[int]:
    return (strip.cell_length for strip in row.values())


def _is_same(shown: Strip | None, strip: Strip) -> bool:
    return shown is strip or shown == strip
