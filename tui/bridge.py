"""Carries what the engine's thread reports to the screen, on a timer of the screen's own.

The engine's thread only appends to buffers. While something runs, a timer looks at them often and
cheaply, and the screen is touched at most so many times a second that painting takes a quarter of
the interpreter's time or less. When nothing runs there is no timer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

from textual.timer import Timer
from textual.widget import Widget

from conversation.context_window import HistoryDropped
from conversation.loading import LoadEvent, ProfileEngine
from conversation.session import Session
from conversation.turn import Turn, TurnEvent, TurnStateChanged
from engines.events import EngineFailed, ModelLoaded, TextChunk, TextKind
from engines.thread import EngineState
from profiles.routing import EngineChoice

LOOK_S = 1 / 30
PAINT_S = 1 / 12
PAINT_COST_FACTOR = 3
LONGEST_PAINT_S = 0.5
FIGURES_S = 0.25


class TurnView(Protocol):
    """What shows a session's turns. Called on the interface's thread only."""

    def show_text(self, turn: Turn, kind: TextKind, text: str) -> None:
        """More of the answer; consecutive chunks of a kind come in one piece."""

    def show_dropped(self, turn: Turn, dropped: HistoryDropped) -> None:
        """The oldest turns were left out of this turn's prompt."""

    def show_choice(self, turn: Turn, choice: EngineChoice) -> None:
        """The turn's engine was chosen."""

    def show_end(self, turn: Turn) -> None:
        """The turn is over; all of its text was shown."""

    def show_load(self, event: LoadEvent) -> None:
        """The session's model is loading, loaded, or failed."""

    def show_prepared(self, engine: ProfileEngine) -> None:
        """The engine given to `prepare` is ready or failed."""

    def show_figures(self) -> None:
        """Look at the running turn's figures: called often, may do nothing."""


class Bridge:
    """Watches one session for one view.

    Args:
        node: Owns the timer; it ends with this widget.
    """

    def __init__(self, node: Widget, session: Session, view: TurnView) -> None:
        self.session = session
        self._node = node
        self._view = view
        self._turns: list[Turn] = []
        self._preparing: ProfileEngine | None = None
        self._timer: Timer | None = None
        self._is_closed = False
        self._awaits_model = False
        self._next_paint_s = 0.0
        self._next_figures_s = 0.0
        self._painting_since_s: float | None = None
        self.watch_model()

    @property
    def turns(self) -> list[Turn]:
        """Turns whose end was not shown yet, the running one first."""
        return list(self._turns)

    def follow(self, turn: Turn) -> None:
        """Show this turn until its end."""
        self._turns.append(turn)
        self._watch()

    def prepare(self, engine: ProfileEngine | None) -> None:
        """Wait for another engine's model, in place of the one waited for before."""
        self._preparing = engine
        self._watch()

    @property
    def preparing(self) -> ProfileEngine | None:
        return self._preparing

    @property
    def is_watching(self) -> bool:
        """Whether a timer runs; never while nothing does."""
        return self._timer is not None

    def watch_model(self) -> None:
        """Look until the session's model, another one than before, is ready or failed."""
        self._awaits_model = True
        self._watch()

    def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        self._stop_timer()

    def _watch(self) -> None:
        """Look now, and go on for as long as something runs."""
        if self._timer is None and not self._is_closed:
            self._timer = self._node.set_interval(LOOK_S, self._look)
            self._node.call_later(self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _look(self) -> None:
        if self._timer is None:
            return
        now_s = time.monotonic()
        is_due = now_s >= self._next_paint_s or any(turn.is_over for turn in self._turns)
        if is_due and not self._is_painting(now_s) and self._paint(now_s):
            self._view.show_figures()
            self._next_figures_s = now_s + FIGURES_S
        elif now_s >= self._next_figures_s:
            self._view.show_figures()
        if not (self._turns or self._awaits_model or self._preparing):
            self._stop_timer()

    def _is_painting(self, now_s: float) -> bool:
        """Under another screen nothing is painted: then the waiting ends by itself."""
        since_s = self._painting_since_s
        return since_s is not None and now_s - since_s < LONGEST_PAINT_S

    def _paint(self, now_s: float) -> bool:
        """Show what came, then measure what that cost, painting included; False for nothing."""
        started_cpu_s = time.thread_time()
        if not (self._show_loading() | self._show_turns()):
            return False
        self._painting_since_s = now_s

        def painted() -> None:
            self._painting_since_s = None
            cost_s = time.thread_time() - started_cpu_s
            self._next_paint_s = now_s + max(PAINT_S, (1 + PAINT_COST_FACTOR) * cost_s)

        self._node.call_after_refresh(painted)
        return True

    def _show_loading(self) -> bool:
        events = self.session.drain_load_events()
        for event in events:
            if isinstance(event, ModelLoaded | EngineFailed):
                self._awaits_model = False
            self._view.show_load(event)
        engine = self._preparing
        if engine is None:
            return bool(events)
        if engine.state is not EngineState.LOADING:
            self._preparing = None
            self._view.show_prepared(engine)
        return bool(events or engine.drain()) or self._preparing is None

    def _show_turns(self) -> bool:
        changed = False
        for turn in self.turns:
            events = turn.drain()
            self._show_events(turn, events)
            changed = changed or bool(events)
            if events and isinstance(events[-1], TurnStateChanged) and events[-1].state.is_over:
                self._turns.remove(turn)
                self._view.show_end(turn)
        return changed

    def _show_events(self, turn: Turn, events: Iterable[TurnEvent]) -> None:
        kind = TextKind.ANSWER
        texts: list[str] = []
        for event in events:
            if isinstance(event, TextChunk):
                if event.kind is not kind and texts:
                    self._view.show_text(turn, kind, "".join(texts))
                    texts = []
                kind = event.kind
                texts.append(event.text)
            elif isinstance(event, HistoryDropped):
                self._view.show_dropped(turn, event)
            elif isinstance(event, EngineChoice):
                self._view.show_choice(turn, event)
        if texts:
            self._view.show_text(turn, kind, "".join(texts))
