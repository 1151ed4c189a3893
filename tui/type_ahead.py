"""Keeps what is typed before the prompt can take it."""

from __future__ import annotations

from textual import events
from textual.app import App
from textual.message import Message


class TypeAheadApp(App[None]):
    """An app whose early keys and pastes wait for the first focus, in the order they came.

    Textual forwards a key to the focused widget, and drops it while there is none: without this,
    a question typed right after the command would lose its beginning.
    """

    _early: list[events.Key | events.Paste] | None = None
    _takes_keys = False

    class FirstFocus(Message):
        """Something on the first screen takes keys from now on."""

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            if not self._takes_keys:
                self._early = [*(self._early or ()), event]
                return
            await self._catch_up()
        await super().on_event(event)

    async def on_type_ahead_app_first_focus(self) -> None:
        self._takes_keys = True
        await self._catch_up()

    async def _catch_up(self) -> None:
        early, self._early = self._early or (), None
        for event in early:
            await super().on_event(_as_meant(event))


def _as_meant(event: events.Key | events.Paste) -> events.Key | events.Paste:
    """Enter arrives as a line feed (Ctrl+J) while the terminal is not in raw mode yet."""
    if isinstance(event, events.Key) and event.key == "ctrl+j":
        return events.Key("enter", "\r")
    return event
