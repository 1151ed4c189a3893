"""Keeps what is typed before the prompt can take it."""

from __future__ import annotations

from textual import events
from textual.app import App
from textual.message import Message

TypedEvent = events.Key | events.Paste


class TypeAheadApp(App[None]):
    """An app whose early keys and pastes wait for the first focus, in the order they came.

    Textual forwards a key to the focused widget, and drops it while there is none: without this,
    a question typed right after the command would lose its beginning.
    """

    _early: tuple[TypedEvent, ...] = ()
    _focused_at_s: float | None = None

    class FirstFocus(Message):
        """Something on the first screen takes keys from now on."""

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, TypedEvent) and not event.is_forwarded:
            if self._focused_at_s is None:
                self._early = (*self._early, event)
                return
            await self._catch_up()
            event = self._as_meant(event, self._focused_at_s)
        await super().on_event(event)

    async def on_type_ahead_app_first_focus(self, message: FirstFocus) -> None:
        if self._focused_at_s is None:
            self._focused_at_s = message.time
        await self._catch_up()

    async def _catch_up(self) -> None:
        early, self._early = self._early, ()
        for event in early:
            await super().on_event(self._as_meant(event, event.time))

    def _as_meant(self, event: TypedEvent, focused_at_s: float) -> TypedEvent:
        """Enter was a line feed (Ctrl+J) when the terminal was not in raw mode yet."""
        is_early = event.time <= focused_at_s
        if is_early and isinstance(event, events.Key) and event.key == "ctrl+j":
            return events.Key("enter", "\r")
        return event
