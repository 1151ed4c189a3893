"""A training's losses as a line of blocks and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.model_files.training_plan import TrainingReport

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH_PX, _HEIGHT_PX, _LEFT_PX, _EDGE_PX = 720, 300, 56, 28
_SERIES = (("training", "#2563eb"), ("validation", "#d97706"))

Point = tuple[int, float]


def sparkline(losses: Sequence[float], columns: int = 40) -> str:
    """One block for each of at most `columns` means, the highest for the largest."""
    if not losses:
        return ""
    count = min(columns, len(losses))
    edges = [round(index * len(losses) / count) for index in range(count + 1)]
    means = [sum(losses[start:end]) / (end - start) for start, end in pairwise(edges)]
    lowest, highest = min(means), max(means)
    span = highest - lowest or 1.0
    return "".join(_BLOCKS[round((mean - lowest) / span * (len(_BLOCKS) - 1))] for mean in means)


def draw_losses(reports: Sequence[TrainingReport]) -> str:
    """The losses over the iterations as SVG."""
    series = [
        [(r.iteration, r.train_loss) for r in reports if r.train_loss is not None],
        [(r.iteration, r.validation_loss) for r in reports if r.validation_loss is not None],
    ]
    points = [point for line in series for point in line]
    last = max((iteration for iteration, _ in points), default=1) or 1
    highest = max((loss for _, loss in points), default=1.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH_PX} {_HEIGHT_PX}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH_PX}" height="{_HEIGHT_PX}" fill="white"/>',
        *_scale(last, highest),
    ]
    for index, ((name, color), line) in enumerate(zip(_SERIES, series, strict=True)):
        if line:
            parts += _line(line, name, color, index, last, highest)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _scale(last: int, highest: float) -> list[str]:
    lines = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _place((round(share * last), share * highest), last, highest)
        lines += [
            f'<line x1="{_LEFT_PX}" x2="{_WIDTH_PX - _EDGE_PX}" y1="{y}" y2="{y}" stroke="#ddd"/>',
            f'<text x="{_LEFT_PX - 6}" y="{y + 4}" text-anchor="end">{share * highest:.2f}</text>',
            f'<text x="{x}" y="{_HEIGHT_PX - 8}" text-anchor="middle">{round(share * last)}</text>',
        ]
    return lines


def _line(
    points: Sequence[Point], name: str, color: str, index: int, last: int, highest: float
) -> list[str]:
    places = " ".join("{},{}".format(*_place(point, last, highest)) for point in points)
    return [
        f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"/>',
        f'<text x="{_WIDTH_PX - _EDGE_PX}" y="{16 + 15 * index}" text-anchor="end"'
        f' fill="{color}">{name} loss</text>',
    ]


def _place(point: Point, last: int, highest: float) -> tuple[float, float]:
    iteration, loss = point
    x = _LEFT_PX + iteration / last * (_WIDTH_PX - _LEFT_PX - _EDGE_PX)
    y = _HEIGHT_PX - _EDGE_PX - loss / highest * (_HEIGHT_PX - 2 * _EDGE_PX)
    return round(x, 1), round(y, 1)
