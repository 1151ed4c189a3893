"""The saved conversations: find one, go on with it, rename it, delete it, bring it back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tui.bindings import SESSIONS_BINDINGS
from tui.relative_time import relative_time
from tui.sanitize import one_line
from tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from conversation.store import Store
    from conversation.store_reads import ConversationSummary

HINTS = (
    ("Enter", "continue"),
    ("F4", "rename"),
    ("F8", "delete"),
    ("Ctrl+Z", "undo"),
    ("Esc", "back"),
)
DATE_WIDTH = 15
EMPTY = "No conversations yet. What you write is kept here by itself."
NOTHING_FOUND = "Nothing found. Titles and texts were searched."


class SessionsScreen(ModalScreen[str | None]):
    """Gives back the id of the conversation to go on with, or None; `deleted` has what is gone."""

    CSS_PATH = "sessions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = SESSIONS_BINDINGS

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._shown: list[ConversationSummary] = []
        self.deleted: list[str] = []
        self._renaming: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Sessions"
            yield Input(placeholder="Search titles and texts", id="search")
            yield OptionList(id="list", markup=False)
            yield Static(EMPTY, id="empty", markup=False)
            yield Input(id="title")
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(KeyBar).hints = HINTS
        self.query_one("#search", Input).focus()
        self.call_after_refresh(self._fill)

    # Keys

    def on_key(self, event: events.Key) -> None:
        """Up and Down work on the list while the search has the focus; letters only in the list."""
        options = self.query_one(OptionList)
        if self._renaming is None and event.key in ("up", "down") and not options.has_focus:
            event.stop()
            if event.key == "down":
                options.action_cursor_down()
            else:
                options.action_cursor_up()
        elif options.has_focus and event.key in LETTERS:
            event.stop()
            getattr(self, f"action_{LETTERS[event.key]}")()

    def action_close(self) -> None:
        if self._renaming is not None:
            self._end_rename()
        else:
            self.dismiss(None)

    def action_rename(self) -> None:
        if (chosen := self._highlighted()) is None:
            return
        self._renaming = chosen.id
        title = self.query_one("#title", Input)
        title.value = one_line(chosen.title)
        title.border_title = "New title · Enter keeps it, Esc does not"
        self.add_class("-renaming")
        title.focus()

    def action_delete(self) -> None:
        if (chosen := self._highlighted()) is None:
            return
        self._store.delete(chosen.id)
        self.deleted.append(chosen.id)
        self._fill()
        self._say(f"Deleted “{one_line(chosen.title)}” · Ctrl+Z brings it back")

    def action_undo(self) -> None:
        if not self.deleted:
            self._say("There is nothing to bring back")
            return
        conversation_id = self.deleted.pop()
        self._store.restore(conversation_id)
        self._fill(conversation_id)
        self._say("It is back")

    @on(Input.Changed, "#search")
    def _search(self) -> None:
        self._fill()

    @on(Input.Submitted, "#search")
    def _continue(self) -> None:
        if (chosen := self._highlighted()) is not None:
            self.dismiss(chosen.id)

    @on(OptionList.OptionSelected)
    def _continue_selected(self) -> None:
        self._continue()

    @on(Input.Submitted, "#title")
    def _rename(self, event: Input.Submitted) -> None:
        if self._renaming is not None and event.value.strip():
            self._store.rename(self._renaming, one_line(event.value))
        self._end_rename()

    # What is shown

    def _end_rename(self) -> None:
        renamed, self._renaming = self._renaming, None
        self.remove_class("-renaming")
        self.query_one("#search", Input).focus()
        self._fill(renamed)

    def _fill(self, keep: str | None = None) -> None:
        query = self.query_one("#search", Input).value
        self._shown = self._store.list_conversations(query)
        self._show(keep)

    def _show(self, keep: str | None) -> None:
        options = self.query_one(OptionList)
        place = options.highlighted or 0
        ids = [summary.id for summary in self._shown]
        now_s = time.time()
        options.clear_options()
        options.add_options(
            Option(summary_line(summary, now_s), id=summary.id) for summary in self._shown
        )
        if ids:
            options.highlighted = ids.index(keep) if keep in ids else min(place, len(ids) - 1)
        self.set_class(not ids, "-empty")
        searching = bool(self.query_one("#search", Input).value)
        self.query_one("#empty", Static).update(NOTHING_FOUND if searching else EMPTY)
        count = len(ids)
        self._say(f"{count:,} {'conversation' if count == 1 else 'conversations'}" if count else "")

    def _say(self, text: str) -> None:
        self.query_one(Vertical).border_subtitle = Content(text)

    def _highlighted(self) -> ConversationSummary | None:
        place = self.query_one(OptionList).highlighted
        return self._shown[place] if place is not None and place < len(self._shown) else None


LETTERS = {"r": "rename", "d": "delete", "delete": "delete", "u": "undo"}


def summary_line(summary: ConversationSummary, now_s: float) -> Table:
    """Title on the left; number of messages and date on the right, where there is room."""
    count = summary.message_count
    title = one_line(summary.title) or "New chat"
    line = Table.grid(expand=True, padding=(0, 0, 0, 2))
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_column(justify="right", no_wrap=True, min_width=DATE_WIDTH)
    messages = f"{count:,} {'message ' if count == 1 else 'messages'}"
    when = relative_time(summary.updated_at, now_s)
    line.add_row(Text(title), Text(messages, style="dim"), Text(when, style="dim"))
    return line
