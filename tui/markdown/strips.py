"""Draws lines as strips, with as few bytes for the terminal as their colors allow."""

from __future__ import annotations

from collections.abc import Iterable

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.color import Color
from textual.filter import LineFilter
from textual.strip import Strip

from tui.markdown.lines import EDGE, Line, runs_width
from tui.markdown.palette import Palette


class LeanStrip(Strip):
    """A strip that sends a color when it changes, instead of every color for every segment."""

    def render(self, console: Console) -> str:
        """The strip as terminal sequences."""
        if self._render_cache is None:
            system = console._color_system or ColorSystem.TRUECOLOR
            self._render_cache = _render(self._segments, system)
        return self._render_cache

    def filtered(self, line_filters: Iterable[LineFilter], background: Color) -> LeanStrip:
        """The strip with `line_filters` applied."""
        segments = self._segments
        for line_filter in line_filters:
            segments = line_filter.apply(segments, background)
        return LeanStrip(segments, self._cell_length)


def draw_line(line: Line, width: int, palette: Palette) -> LeanStrip:
    """`line` as a strip of exactly `width` cells (longer text is cut)."""
    segments = [
        Segment(text, _with_link(palette.style(style), link)) for text, style, link in line.runs
    ]
    used = runs_width(line.runs)
    if used < width:
        segments.append(Segment(" " * (width - used), palette.style(line.fill)))
    strip = LeanStrip(segments, max(used, width))
    return strip if used <= width else LeanStrip(strip.crop(0, width), width)


def highlight(strip: Strip, span: tuple[int, int], style: RichStyle) -> LeanStrip:
    """`strip` with `style` over the characters of `span`; an end of -1 is the end of the line."""
    start, end = span
    segments: list[Segment] = []
    position = 0
    for text, segment_style, _ in strip:
        length = len(text)
        cut_start = min(max(start - position, 0), length)
        cut_end = length if end == -1 else min(max(end - position, cut_start), length)
        parts = ((text[:cut_start], None), (text[cut_start:cut_end], style), (text[cut_end:], None))
        segments += [
            Segment(part, (segment_style or RichStyle.null()) + over if over else segment_style)
            for part, over in parts
            if part
        ]
        position += length
    return LeanStrip(segments, strip.cell_length)


def copy_text(line: Line, span: tuple[int, int]) -> str:
    """The text of the characters of `span`, without decoration."""
    start, end = span
    text, position = "", 0
    for run in line.runs:
        if EDGE not in run.style:
            stop = None if end == -1 else max(0, end - position)
            text += run.text[max(0, start - position) : stop]
        position += len(run.text)
    return text


def _with_link(style: RichStyle, link: str) -> RichStyle:
    return style.update_link(link) if link else style


def _render(segments: list[Segment], system: ColorSystem) -> str:
    output: list[str] = []
    last: RichStyle | None = None
    for text, style, _ in segments:
        style = style or RichStyle.null()
        if last is None or style != last:
            output.append(_change(last, style, system))
            last = style
        if style.link:
            text = f"\x1b]8;id={style.link_id};{style.link}\x1b\\{text}\x1b]8;;\x1b\\"
        output.append(text)
    return "".join([*output, "\x1b[0m"])


def _change(last: RichStyle | None, style: RichStyle, system: ColorSystem) -> str:
    """The sequence from one style to the next; attributes that end need a reset."""
    if last is not None and _ground(last) == _ground(style):
        codes = style.color.downgrade(system).get_ansi_codes() if style.color else ("39",)
        return f"\x1b[{';'.join(codes)}m" if style.color != last.color else ""
    codes_text = Strip.render_ansi(style, system)
    reset = "" if last is None else "0"
    codes_all = ";".join(part for part in (reset, codes_text) if part)
    return f"\x1b[{codes_all}m" if codes_all else ""


def _ground(style: RichStyle) -> tuple[object, int]:
    """What stays the same where only the foreground changes."""
    return style.bgcolor, style._attributes & style._set_attributes
