"""The main screen: a conversation and the keys that work on it."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tui.bindings import CHAT_BINDINGS, PROFILE_KEYS
from tui.chat_pane import ChatPane
from tui.lean_screen import LeanScreen
from tui.prompt_history import PromptHistory
from tui.type_ahead import TypeAheadApp
from tui.widgets.key_bar import KeyBar
from tui.widgets.prompt_input import PromptInput

QUIT_WITHIN_S = 2.0


class ChatScreen(LeanScreen[None]):
    """One chat pane and the footer."""

    BINDINGS: ClassVar[list[BindingType]] = CHAT_BINDINGS

    def __init__(self, history: PromptHistory) -> None:
        super().__init__()
        self._history = history
        self._quit_armed_s = 0.0
        self._leader = False

    def compose(self) -> ComposeResult:
        yield ChatPane(self._history)
        yield KeyBar()

    @property
    def pane(self) -> ChatPane:
        return self.query_one(ChatPane)

    def on_mount(self) -> None:
        self.query_one(PromptInput).focus()
        self._show_keys()

    def on_descendant_focus(self) -> None:
        self.app.post_message(TypeAheadApp.FirstFocus())

    def on_chat_pane_changed(self) -> None:
        self._show_keys()

    def on_prompt_input_end_of_input(self) -> None:
        self.app.exit()

    # Actions of the keys

    def action_stop(self) -> None:
        if self.pane.stop():
            self.query_one(PromptInput).focus()
        elif self.pane.cancel_edit():
            self.query_one(PromptInput).clear_text()
        else:
            self.query_one(PromptInput).focus()

    def action_interrupt(self) -> None:
        """Copy the selection, else stop the answer, else quit at the second time."""
        if text := self.get_selected_text() or self.query_one(PromptInput).selected_text:
            self.clear_selection()
            self.pane.copy(text, "selection")
        elif not self.pane.stop():
            self._arm_quit()

    def action_next_profile(self, places: int) -> None:
        if self.pane.switch is not None:
            self.pane.switch.step(places)

    def action_profile_number(self, number: int) -> None:
        if self.pane.switch is not None:
            self.pane.switch.number(number)

    def action_profile_leader(self) -> None:
        from tui.screens.leader import LeaderScreen

        def chosen(number: int | None) -> None:
            if number is not None:
                self.action_profile_number(number)

        self.pane.say("1 to 9 chooses a profile")
        self.app.push_screen(LeaderScreen(PROFILE_KEYS), chosen)

    def action_help(self) -> None:
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen())

    def action_scroll_transcript(self, step: int) -> None:
        self.pane.scroll_transcript(step)

    def _arm_quit(self) -> None:
        now_s = time.monotonic()
        if now_s - self._quit_armed_s <= QUIT_WITHIN_S:
            self.app.exit()
            return
        self._quit_armed_s = now_s
        self.pane.say("Ctrl+C again quits")

    def _show_keys(self) -> None:
        names = BUSY_KEYS if self.pane.is_busy else IDLE_KEYS
        keys: dict[str | None, str] = {}
        for active in self.active_bindings.values():
            keys.setdefault(active.binding.id, self.app.get_key_display(active.binding))
        self.query_one(KeyBar).hints = tuple(
            (keys[name], label) for name, label in names if name in keys
        )


IDLE_KEYS = (
    ("prompt.send", "send"),
    ("profile.next", "profile"),
    ("app.palette", "palette"),
    ("models.open", "models"),
    ("sessions.open", "sessions"),
    ("app.help", "help"),
    ("chat.new", "new"),
    ("prompt.newline", "new line"),
    ("app.quit", "quit"),
)
BUSY_KEYS = (("chat.stop", "stop"), *IDLE_KEYS)
