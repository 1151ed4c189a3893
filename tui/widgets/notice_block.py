"""Something the program says in the transcript: a notice, a warning, a failed turn."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.sanitize import printable
from tui.widgets.transcript_entry import NoticeEntry, Severity


class NoticeBlock(Static):
    """One notice; `hint` says what to do next."""

    def __init__(self, text: str, severity: Severity | str, hint: str = "") -> None:
        self.entry = NoticeEntry(text, Severity(severity), hint)
        lines = [Content(printable(text))]
        if hint:
            lines.append(Content.styled(printable(hint), "dim"))
        super().__init__(Content("\n").join(lines), markup=False, classes=f"-{self.entry.severity}")
