"""Bar charts of the benchmarks' records, for the terminal and as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Record = dict[str, Any]
_EIGHTHS = " ▏▎▍▌▋▊▉"
_COLORS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#64748b")
_ROW_PX, _GAP_PX, _LABEL_PX, _BAR_PX, _TOP_PX = 18, 10, 260, 420, 44


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; bars of the same `series` share a color, neighbors of the same `group` a gap."""

    group: str
    series: str
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    unit: str
    bars: tuple[Bar, ...]

    @property
    def largest(self) -> float:
        return max((bar.value for bar in self.bars), default=0.0) or 1.0

    @property
    def series(self) -> list[str]:
        return list(dict.fromkeys(bar.series for bar in self.bars))


def charts_of(records: Sequence[Record]) -> list[Chart]:
    """A chart for every benchmark that has one."""
    charts = list[Chart]()
    for (bench, title, unit), bars_of in _SOURCES.items():
        bars = tuple(
            bar
            for record in records
            if record["bench"] == bench and "error" not in record
            for bar in bars_of(record)
            if bar.value > 0
        )
        if bars:
            charts.append(Chart(title, unit, bars))
    return charts


def draw_bar(share: float, columns: int) -> str:
    """A bar of `share` of `columns` cells, to an eighth of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * columns * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def chart_lines(chart: Chart, columns: int = 100) -> Iterator[str]:
    """The chart as lines of text."""
    yield f"{chart.title} ({chart.unit})"
    label_width = max(len(f"{bar.group}  {bar.series}") for bar in chart.bars)
    width = max(10, columns - label_width - 12)
    for index, bar in enumerate(chart.bars):
        if index and chart.bars[index - 1].group != bar.group:
            yield ""
        label = f"{bar.group}  {bar.series}".ljust(label_width)
        yield f"{label} {draw_bar(bar.value / chart.largest, width)} {bar.value:,.2f}"


def charts_svg(charts: Sequence[Chart]) -> str:
    """All charts below each other, as one SVG document that needs no font of its own."""
    parts, top = list[str](), 0
    for chart in charts:
        drawn, height = _svg_chart(chart, top)
        parts += drawn
        top += height
    width = _LABEL_PX + _BAR_PX + 110
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}"'
        f' viewBox="0 0 {width} {top}" font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{width}" height="{top}" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>\n"])


def _svg_chart(chart: Chart, top: int) -> tuple[list[str], int]:
    title = escape(f"{chart.title} ({chart.unit})")
    parts = [f'<text x="12" y="{top + 26}" font-size="15" font-weight="bold">{title}</text>']
    colors = dict(zip(chart.series, _COLORS * len(chart.bars), strict=False))
    y, before = top + _TOP_PX, ""
    for bar in chart.bars:
        if before and before != bar.group:
            y += _GAP_PX
        before = bar.group
        length = bar.value / chart.largest * _BAR_PX
        label = escape(f"{bar.group}  {bar.series}")
        parts += [
            f'<text x="{_LABEL_PX - 8}" y="{y + 13}" text-anchor="end">{label}</text>',
            f'<rect x="{_LABEL_PX}" y="{y + 2}" width="{length:.1f}" height="{_ROW_PX - 4}"'
            f' fill="{colors[bar.series]}"/>',
            f'<text x="{_LABEL_PX + length + 6:.1f}" y="{y + 13}">{bar.value:,.2f}</text>',
        ]
        y += _ROW_PX
    return parts, y - top + _GAP_PX


def _decode_bars(record: Record) -> Iterator[Bar]:
    group = f"{record['engine']} {record['model']}"
    yield Bar(group, "ours", record["ours_tps"] or 0)
    yield Bar(group, "library", record["library_tps"] or 0)
    yield Bar(group, "effective", record["effective_tps"] or 0)


def _prefill_bars(record: Record) -> Iterator[Bar]:
    for row in record["prefill"]:
        group = f"{record['engine']} {record['model']} {row['prompt_tokens']:,}"
        yield Bar(group, "ours", row["ours_tps"] or 0)
        yield Bar(group, "library", row["library_tps"] or 0)


def _speculative_bars(record: Record) -> Iterator[Bar]:
    for name, row in record["prompt_classes"].items():
        for series, key in (("ours", "net_gain"), ("library", "library_net_gain")):
            yield Bar(f"{record['engine']} {name}", series, row[key] or 0)


def _kv_bars(record: Record) -> Iterator[Bar]:
    for number, ttft_s in enumerate(record["turn_ttft_s"], 1):
        yield Bar(f"{record['engine']} turn {number}", "", 1000 * ttft_s)


def _context_bars(record: Record) -> Iterator[Bar]:
    for row in record["context"]:
        group = f"{record['engine']} {record['model']} {row['context_tokens']:,}"
        yield Bar(group, row["kv_type"], row["decode_tps"] or 0)


def _compare_bars(record: Record) -> Iterator[Bar]:
    for engine, decode_tps in record["decode_tps"].items():
        yield Bar(record["title"], engine, decode_tps or 0)


def _compare_prefill_bars(record: Record) -> Iterator[Bar]:
    for row in record["prefill"]:
        for engine, prefill_tps in row["prefill_tps"].items():
            yield Bar(f"{record['title']} {row['prompt_tokens']:,}", engine, prefill_tps or 0)


_SOURCES: dict[tuple[str, str, str], Callable[[Record], Iterator[Bar]]] = {
    ("decode", "Decode", "tok/s"): _decode_bars,
    ("prefill", "Prefill", "tok/s"): _prefill_bars,
    ("speculative", "Net gain of speculation", "times plain decode"): _speculative_bars,
    ("kv", "Time to first token by turn", "ms"): _kv_bars,
    ("context", "Decode by context length", "tok/s"): _context_bars,
    ("compare", "Generation", "tok/s"): _compare_bars,
    ("compare", "Prefill", "tok/s"): _compare_prefill_bars,
}
