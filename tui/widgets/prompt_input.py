"""Where the user types: Enter sends, and the lines of a long message are there to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui.bindings import PROMPT_BINDINGS
from tui.prompt_history import PromptHistory

PLACEHOLDER = "Ask anything…"
FOLD_LINES = 40
FOLD_CHARACTERS = 4000


class PromptInput(TextArea):
    """A text area that sends, remembers, and folds a huge paste into one short mark."""

    DEFAULT_CSS = """
    PromptInput {
        height: auto;
        min-height: 3;
        max-height: 10;
        border: round $border-blurred;
        background: $background;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        &:focus { border: round $border; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = PROMPT_BINDINGS

    @dataclass
    class Submitted(Message):
        """The user sends `text`."""

        text: str

    class EndOfInput(Message):
        """Ctrl+D on an empty prompt."""

    def __init__(self, history: PromptHistory | None = None) -> None:
        super().__init__(soft_wrap=True, highlight_cursor_line=False, placeholder=PLACEHOLDER)
        self.cursor_blink = False  # a blinking cursor writes to the terminal all day
        self._sent = history or PromptHistory()
        self._folded: dict[str, str] = {}

    @property
    def message_text(self) -> str:
        """What would be sent: the text with folded pastes opened."""
        text = self.text
        for mark, pasted in self._folded.items():
            text = text.replace(mark, pasted)
        return text

    def put_back(self, text: str) -> None:
        """Give a text back that could not be sent, before what was typed since."""
        if text == self.message_text:
            return
        rest = self.message_text
        self._show(text if not rest.strip() else f"{text}\n{rest}")

    def clear_text(self) -> None:
        self._folded.clear()
        self.load_text("")

    def action_submit(self) -> None:
        text = self.message_text
        if text.strip():
            self.clear_text()
            self._sent.leave()
            self.post_message(self.Submitted(text))

    def action_newline(self) -> None:
        self._replace_via_keyboard("\n", *self.selection)

    def action_older(self) -> None:
        if not self.cursor_at_first_line:
            self.action_cursor_up()
        elif (text := self._sent.older(self.message_text)) is not None:
            self._show(text)
            self.move_cursor((0, 0))

    def action_newer(self) -> None:
        if not self.cursor_at_last_line:
            self.action_cursor_down()
        elif (text := self._sent.newer()) is not None:
            self._show(text)

    def action_end_of_input(self) -> None:
        if self.text:
            self.action_delete_right()
        else:
            self.post_message(self.EndOfInput())

    async def _on_key(self, event: events.Key) -> None:
        """Enter sends, here and now: what is typed after it belongs to the next message."""
        if event.key != "enter":
            return
        active = self.screen.active_bindings.get("enter")
        if active is not None and active.binding.id == "prompt.send":
            event.stop()
            event.prevent_default()
            self.action_submit()

    async def _on_paste(self, event: events.Paste) -> None:
        text = event.text.replace("\r\n", "\n").replace("\r", "\n")
        event.stop()
        event.prevent_default()
        if text.count("\n") >= FOLD_LINES or len(text) >= FOLD_CHARACTERS:
            text = self._fold(text)
        if result := self._replace_via_keyboard(text, *self.selection):
            self.move_cursor(result.end_location)

    def _fold(self, text: str) -> str:
        lines = text.count("\n") + 1
        mark = f"[pasted text {len(self._folded) + 1}: {lines:,} lines, {len(text):,} characters]"
        self._folded[mark] = text
        return mark

    def _show(self, text: str) -> None:
        self._folded.clear()
        if text.count("\n") >= FOLD_LINES or len(text) >= FOLD_CHARACTERS:
            text = self._fold(text)
        self.load_text(text)
        self.move_cursor(self.document.end)
