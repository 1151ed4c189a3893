"""The line under the prompt that shows what the turn costs."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui.stats_line import Figures, stats_line


class StatsBar(Widget):
    """Shows `figures` in one line, as many of them as its width takes."""

    DEFAULT_CSS = """
    StatsBar {
        height: 1;
        padding: 0 1;
        background: $surface;
        color: $foreground;
    }
    """
    ALLOW_SELECT = False

    figures: reactive[Figures] = reactive(Figures())

    def render(self) -> Content:
        return stats_line(self.figures, self.content_size.width)
