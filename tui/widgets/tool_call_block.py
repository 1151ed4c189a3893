"""A tool call that a model wrote, as it wrote it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.sanitize import TextCleaner


class ToolCallBlock(Static):
    """The text of a tool call under a label."""

    def __init__(self, text: str = "") -> None:
        self._cleaner = TextCleaner()
        self.source = ""
        super().__init__(markup=False)
        self.append(text)

    def append(self, text: str) -> None:
        """Show more of the call."""
        self._show(self._cleaner.clean(text))

    def finish(self) -> None:
        """The call is complete."""
        self._show(self._cleaner.flush())

    def _show(self, text: str) -> None:
        self.source += text
        label = Content.styled("tool call", "dim italic")
        body = Content(self.source.strip().expandtabs(4))
        self.update(Content("\n").join([label, body]))
