"""Markdown that grows: one widget, drawn line by line."""

from __future__ import annotations

from rich.style import Style as RichStyle
from textual.geometry import Region, Size
from textual.reactive import var
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style

from tui.markdown.blocks import CodeBlock
from tui.markdown.document import MarkdownDocument
from tui.markdown.palette import Palette
from tui.markdown.strips import LeanStrip, copy_text, draw_line, highlight
from tui.widgets.laid_out_once import LaidOutOnce


class StreamingMarkdown(LaidOutOnce):
    """Shows Markdown from an untrusted source while it is being written.

    `append` parses and lays out only from the last open block on, and repaints only the lines that
    changed.
    """

    DEFAULT_CSS = "StreamingMarkdown { height: auto; }"

    wraps_code: var[bool] = var(True, init=False)
    """Long lines of code are wrapped, not clipped."""

    def __init__(self, text: str = "", *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._document = MarkdownDocument()
        self._strips: list[LeanStrip | None] = []
        self._palette_key: object = None
        self._palette: Palette | None = None
        if text:
            self._document.append(text)
            self._document.finish()

    @property
    def source(self) -> str:
        """The Markdown so far, without control characters."""
        return self._document.source

    def code_blocks(self) -> list[CodeBlock]:
        """The code blocks so far, in order."""
        return self._document.code_blocks()

    def append(self, text: str) -> None:
        """Show more text."""
        self._document.append(text)
        self._show_changes()

    def finish(self) -> None:
        """The text is complete."""
        self._document.finish()
        self._show_changes()

    def watch_wraps_code(self) -> None:
        self._show_changes()

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        self._lay_out(width)
        return len(self._document.lines)

    def render_line(self, y: int) -> Strip:
        """One line, with the offsets that mouse selection looks for."""
        self._update_palette()
        return self._strip(y).apply_offsets(0, y)

    def render_lines(self, crop: Region) -> list[Strip]:
        self._dirty_regions.clear()
        self._update_palette()
        strips: list[Strip] = [self._strip(y) for y in crop.line_range]
        if (selection := self.text_selection) is not None:
            style = self._selection_style()
            spans = [selection.get_span(y) for y in crop.line_range]
            strips = [
                strip if span is None else highlight(strip, span, style)
                for strip, span in zip(strips, spans, strict=True)
            ]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text: rows that were only wrapped are joined again."""
        text = ""
        for y, line in enumerate(self._document.lines):
            span = selection.get_span(y)
            if span is None:
                continue
            row = copy_text(line, span)
            if text and line.join != "\n":
                text += line.join + row.lstrip()
            else:
                text += ("\n" if text else "") + row
        return text, "\n"

    def _show_changes(self) -> None:
        width = self.size.width
        if not width:
            return
        height = len(self._document.lines)
        first_changed = self._lay_out(width)
        changed = len(self._document.lines) - first_changed
        if len(self._document.lines) != height:
            self.refresh(layout=True)
        elif changed:
            self.refresh(Region(0, first_changed, width, changed))

    def _lay_out(self, width: int) -> int:
        first_changed = self._document.lay_out(width, self.wraps_code)
        del self._strips[first_changed:]
        self._strips += [None] * (len(self._document.lines) - first_changed)
        return first_changed

    def _strip(self, y: int) -> LeanStrip:
        if self._palette is None or y >= len(self._strips):
            return LeanStrip([], 0)
        strip = self._strips[y]
        if strip is None or strip.cell_length != self.size.width:
            drawn = draw_line(self._document.lines[y], self.size.width, self._palette)
            strip = drawn.filtered(self.get_line_filters(), self.background_colors[1])
            self._strips[y] = strip
        return strip

    def _update_palette(self) -> None:
        base = Style(self.background_colors[1], self.visual_style.foreground)
        key = (self.app.theme, base)
        if key != self._palette_key:
            self._palette_key = key
            self._palette = Palette(base, self.app.theme_variables, self.app.native_ansi_color)
            self._strips = [None] * len(self._document.lines)

    def _selection_style(self) -> RichStyle:
        return Style.from_styles(self.screen.get_component_styles("screen--selection")).rich_style
