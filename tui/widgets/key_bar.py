"""The footer: the keys that matter now, in one line."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui.key_line import key_line


class KeyBar(Widget):
    """Shows `hints`, pairs of a key and what it does, as many as its width takes."""

    DEFAULT_CSS = """
    KeyBar { height: 1; padding: 0 1; background: $background; }
    """
    ALLOW_SELECT = False

    hints: reactive[tuple[tuple[str, str], ...]] = reactive(())

    def render(self) -> Content:
        return key_line(self.hints, self.content_size.width)
