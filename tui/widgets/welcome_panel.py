"""The empty state of a conversation."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static


class WelcomePanel(VerticalScroll):
    """Shows one text in the middle of the space the transcript will take."""

    DEFAULT_CSS = """
    WelcomePanel {
        height: 1fr;
        align: center middle;
        & > Static { width: auto; max-width: 76; height: auto; padding: 0 2; }
    }
    """
    can_focus = False

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def show(self, content: Content) -> None:
        self.query_one(Static).update(content)
