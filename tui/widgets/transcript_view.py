"""The conversation: follows the end of the answer until the reader scrolls away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from textual import events
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.layout import DockArrangeResult
from textual.message import Message
from textual.widget import Widget

from tui.markdown.blocks import CodeBlock
from tui.widgets.assistant_message import AssistantMessage
from tui.widgets.laid_out_once import LaidOutOnce
from tui.widgets.notice_block import NoticeBlock
from tui.widgets.transcript_entry import (
    AssistantEntry,
    NoticeEntry,
    Severity,
    TranscriptEntry,
    UserEntry,
)
from tui.widgets.user_message import UserMessage

READING_WIDTH = 100
"""Cells; longer lines are hard to read."""

TAIL_COUNT = 30
"""Entries that are mounted when a conversation is opened, and that are loaded at a time."""

MOST_MOUNTED = 90
"""Entries; above this the oldest are taken out of the view until the reader scrolls to them."""

TranscriptWidget = UserMessage | AssistantMessage | NoticeBlock
WidgetT = TypeVar("WidgetT", UserMessage, AssistantMessage, NoticeBlock)


class TranscriptView(VerticalScroll, LaidOutOnce):
    """User messages, answers and notices, the latest at the end.

    Only a window of the conversation is mounted; older entries come back when the reader scrolls to
    the top, without moving what is being read.
    """

    BLANK = True

    BINDINGS = [
        Binding("y", "copy_code_block", "Copy code", id="transcript.copy_code_block",
                tooltip="Copy the last code block; again for the one before"),
        Binding("w", "toggle_code_wrap", "Wrap code", show=False, id="transcript.toggle_code_wrap",
                tooltip="Wrap long lines of code, or clip them"),
    ]  # fmt: skip

    class OlderRequested(Message):
        """The reader is at the top, and the store has older entries: answer with `add_older`."""

        def __init__(self, view: TranscriptView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> TranscriptView:
            return self.view

    class CopyRequested(Message):
        """The reader wants `text` on the clipboard; `label` names it."""

        def __init__(self, view: TranscriptView, text: str, label: str) -> None:
            super().__init__()
            self.view = view
            self.text = text
            self.label = label

        @property
        def control(self) -> TranscriptView:
            return self.view

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._older: list[TranscriptEntry] = []
        self._has_older_in_store = False
        self._held: tuple[Widget, int] | None = None
        self._is_loading = False
        self._wraps_code = True
        self._copied_back = 0

    def on_mount(self) -> None:
        self.anchor()

    def add_user(self, message_id: str, text: str, attachments: Iterable[str] = ()) -> UserMessage:
        """Show what the user wrote."""
        return self._add(UserMessage(message_id, text, attachments))

    def add_assistant(self, message_id: str) -> AssistantMessage:
        """Show an answer that is about to be written."""
        self._copied_back = 0
        return self._add(AssistantMessage(message_id))

    def add_notice(
        self, text: str, severity: Severity | str = Severity.INFORMATION, hint: str = ""
    ) -> NoticeBlock:
        """Show something that the program has to say."""
        return self._add(NoticeBlock(text, severity, hint))

    def clear(self) -> None:
        """Remove everything."""
        self._older, self._has_older_in_store = [], False
        self._held = None
        self.remove_children()
        self.anchor()

    def show_history(self, entries: Sequence[TranscriptEntry], has_older: bool = False) -> None:
        """Show a conversation from its end.

        Args:
            entries: All entries, or the latest, oldest first.
            has_older: The store has entries before these; `OlderRequested` asks for them.
        """
        self.clear()
        self._older = list(entries[:-TAIL_COUNT])
        self._has_older_in_store = has_older
        self.mount_all([_widget_of(entry) for entry in entries[-TAIL_COUNT:]])

    def add_older(self, entries: Sequence[TranscriptEntry], has_older: bool = False) -> None:
        """Put entries from the store, oldest first, above the ones that are here."""
        self._older = [*entries, *self._older]
        self._has_older_in_store = has_older
        self._is_loading = False
        self.load_older()

    def load_older(self) -> None:
        """Mount the entries above the first one; what is being read stays where it is."""
        if self._is_loading or not self.is_attached:
            return
        if not self._older:
            if self._has_older_in_store:
                self._is_loading = True
                self.post_message(self.OlderRequested(self))
            return
        entries, self._older = self._older[-TAIL_COUNT:], self._older[:-TAIL_COUNT]
        self._hold_position()
        self.mount_all([_widget_of(entry) for entry in entries], before=0)

    def code_blocks(self) -> list[CodeBlock]:
        """The code blocks of the mounted answers, in order."""
        return [block for answer in self._answers() for block in answer.code_blocks()]

    def action_copy_code_block(self) -> None:
        """Ask for the last code block on the clipboard; again, for the one before it."""
        blocks = self.code_blocks()
        if not blocks:
            return
        self._copied_back = self._copied_back % len(blocks) + 1
        block = blocks[-self._copied_back]
        self.post_message(self.CopyRequested(self, block.code, block.language or "code"))

    def action_toggle_code_wrap(self) -> None:
        """Wrap long lines of code, or clip them."""
        self._wraps_code = not self._wraps_code
        for answer in self._answers():
            answer.set_code_wrap(self._wraps_code)

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        arrangement = super().arrange(size, optimal)
        self._anchor_when_full(arrangement.total_region.bottom > size.height)
        if self._held:
            widget, y = self._held
            for placement in arrangement.placements:
                if placement.widget is widget and placement.region.y != y:
                    self._held = None
                    self.set_scroll(None, self.scroll_y + placement.region.y - y)
                    self.scroll_target_y = self.scroll_y
        return arrangement

    def on_resize(self, event: events.Resize) -> None:
        space = max(1, self.outer_size.width - READING_WIDTH - 2)
        if self.styles.padding.right != space:
            self.styles.padding = (0, space, 0, 1)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 1 and new_value < old_value:
            self.load_older()

    def _add(self, widget: WidgetT) -> WidgetT:
        self._trim()
        self.mount(widget)
        return widget

    def _trim(self) -> None:
        """Take the oldest entries out of a long view while its end is being read."""
        surplus = len(self.children) - MOST_MOUNTED
        if surplus < 0 or self._anchor_released:
            return
        removed = [
            child for child in self.children[: surplus + TAIL_COUNT]
            if isinstance(child, TranscriptWidget)
        ]  # fmt: skip
        self._older += [widget.entry for widget in removed]
        self.remove_children(removed)

    def _anchor_when_full(self, is_full: bool) -> None:
        """A short conversation starts at the top; an anchor would push it down to the end."""
        if not is_full:
            self._anchor_released = False
        self._anchored = is_full

    def _hold_position(self) -> None:
        if self.children:
            first = self.children[0]
            self._held = (first, first.virtual_region.y)

    def _answers(self) -> list[AssistantMessage]:
        return [child for child in self.children if isinstance(child, AssistantMessage)]


def _widget_of(entry: TranscriptEntry) -> TranscriptWidget:
    match entry:
        case UserEntry(message_id, text, attachments):
            return UserMessage(message_id, text, attachments)
        case AssistantEntry():
            return AssistantMessage.from_entry(entry)
        case NoticeEntry(text, severity, hint):
            return NoticeBlock(text, severity, hint)
