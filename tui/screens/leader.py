"""Waits for the one key that follows a leader key."""

from __future__ import annotations

from textual import events
from textual.screen import ModalScreen


class LeaderScreen(ModalScreen[int | None]):
    """Gives back the digit that is pressed, or None for any other key. Shows nothing of its own."""

    DEFAULT_CSS = "LeaderScreen { background: transparent; }"

    def __init__(self, highest: int) -> None:
        super().__init__()
        self._highest = highest

    def on_key(self, event: events.Key) -> None:
        event.stop()
        digit = event.character or ""
        is_digit = digit.isdecimal() and 1 <= int(digit) <= self._highest
        self.dismiss(int(digit) if is_digit else None)
