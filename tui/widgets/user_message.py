"""What the user wrote."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import Static

from tui.sanitize import one_line, printable
from tui.widgets.transcript_entry import UserEntry


class UserMessage(Static):
    """The text of a user's message, as it was typed, and the names of the attached files."""

    def __init__(self, message_id: str, text: str, attachments: Iterable[str] = ()) -> None:
        self.entry = UserEntry(message_id, text, tuple(attachments))
        super().__init__(self._content(), markup=False)

    @property
    def source(self) -> str:
        """The text, without control characters."""
        return printable(self.entry.text)

    def _content(self) -> Content:
        text = self.source.expandtabs(4)
        names = [one_line(name) for name in self.entry.attachments]
        lines = [Content(text), *(Content.styled(f"+ {name}", "dim") for name in names)]
        return Content("\n").join(lines)
