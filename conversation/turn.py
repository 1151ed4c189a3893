"""One turn: from the user's text to the end of its answer.

    turn.drain() -> list[TurnEvent]     what happened since the last call (for a timer)
    turn.stop()                         in any state; the answer so far is kept
    turn.wait(timeout_s) -> bool        until it is over (for callers without a screen)
    turn.answer() -> Message            the answer as it is now

States: queued → loading → prefill → decode → finished | cancelled | failed. Loading is left out
where the model is there. The engine's thread writes the figures; any thread may read them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from conversation.answer_parts import AnswerParts
from conversation.context_window import HistoryDropped
from conversation.message import Message, MessageError, MessageStatus
from engines.events import (
    FinishReason,
    GenerationEvent,
    GenerationFinished,
    PrefillProgress,
    TextChunk,
)
from engines.stats import GenerationStats
from profiles.routing import EngineChoice
from profiles.schema import Profile


class TurnState(StrEnum):
    QUEUED = "queued"
    LOADING = "loading"
    PREFILL = "prefill"
    DECODE = "decode"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in (TurnState.FINISHED, TurnState.CANCELLED, TurnState.FAILED)


@dataclass(frozen=True, slots=True)
class TurnStateChanged:
    state: TurnState


@dataclass(frozen=True, slots=True)
class TurnFailed:
    error: MessageError


TurnEvent = GenerationEvent | TurnStateChanged | HistoryDropped | TurnFailed | EngineChoice
"""The last event of a turn is always the `TurnStateChanged` to a state that is over."""

_STATUS = {
    TurnState.FINISHED: MessageStatus.COMPLETE,
    TurnState.CANCELLED: MessageStatus.CANCELLED,
    TurnState.FAILED: MessageStatus.FAILED,
}


class Turn:
    """A turn and its live figures. Times are `time.perf_counter()` seconds.

    Args:
        question: The message to answer.
        answer: The answer as it begins: running, without parts.
        profile: What it is answered with, whatever the session switches to meanwhile.
        stop: Called by `stop` after the wish is noted.
    """

    def __init__(
        self, question: Message, answer: Message, profile: Profile, stop: Callable[[Turn], None]
    ) -> None:
        self.question = question
        self.profile = profile
        self.state = TurnState.QUEUED
        self.is_stopping = False
        self.queued_s = time.perf_counter()
        self.started_s: float | None = None
        self.first_token_s: float | None = None
        self.last_token_s: float | None = None
        self.prefill: PrefillProgress | None = None
        self.generated_tokens = 0
        self.accepted_tokens = 0
        self.dropped: HistoryDropped | None = None
        self.engine_choice: EngineChoice | None = None
        self.stats: GenerationStats | None = None
        self.finish_reason: FinishReason | None = None
        self.error: MessageError | None = None
        self._answer = answer
        self._parts = AnswerParts()
        self._stop = stop
        self._events: deque[TurnEvent] = deque()
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def text(self) -> str:
        """The user's text, as typed."""
        return self.question.text

    @property
    def message_id(self) -> str:
        """Id of the answer's message."""
        return self._answer.id

    @property
    def is_over(self) -> bool:
        return self.state.is_over

    @property
    def ttft_s(self) -> float | None:
        """Seconds from the start of the request to its first token."""
        if self.first_token_s is None or self.started_s is None:
            return None
        return self.first_token_s - self.started_s

    @property
    def context_tokens(self) -> int | None:
        """Tokens in the KV cache: the prompt's so far and the generated ones; None before that."""
        if self.prefill is None:
            return None
        return self.prefill.done_tokens + self.generated_tokens

    def answer(self) -> Message:
        """The answer's message with what has come so far."""
        return self._answer if self.is_over else replace(self._answer, parts=self._parts.parts())

    def drain(self) -> list[TurnEvent]:
        """The events since the last call, oldest first. For one caller."""
        events: list[TurnEvent] = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def stop(self) -> None:
        """End it: at once where nothing runs yet, else as soon as the engine looks up."""
        if not self.is_over:
            self.is_stopping = True
            self._stop(self)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over and handed to the store; False if it took longer."""
        return self._over.wait(timeout_s)

    # What follows is for the session and its engine threads.

    def enter(self, state: TurnState) -> None:
        """Go on to a state that is not over; nothing happens when the turn already is."""
        with self._lock:
            if self.state.is_over or state is self.state:
                return
            self.state = state
            self._events.append(TurnStateChanged(state))

    def note_choice(self, choice: EngineChoice) -> None:
        self.engine_choice = choice
        self._events.append(choice)

    def note_dropped(self, dropped: HistoryDropped) -> None:
        self.dropped = dropped
        self._events.append(dropped)

    def take(self, event: PrefillProgress | TextChunk) -> None:
        """Account for what the engine reports; nothing counts once the turn is over."""
        with self._lock:
            if self.state.is_over:
                return
            if isinstance(event, PrefillProgress):
                self._take_progress(event)
            else:
                self._take_text(event)
            self._events.append(event)

    def end(
        self,
        state: TurnState,
        finished: GenerationFinished | None = None,
        error: MessageError | None = None,
        model: str = "",
    ) -> bool:
        """Close the turn; False if it was over already. `announce_end` must follow."""
        with self._lock:
            if self.state.is_over:
                return False
            self._complete(state, finished, error, model)
            self.state = state
        return True

    def announce_end(self) -> None:
        """Tell those who wait; the answer has been handed on."""
        if self.error is not None:
            self._events.append(TurnFailed(self.error))
        self._events.append(TurnStateChanged(self.state))
        self._over.set()

    def _take_progress(self, event: PrefillProgress) -> None:
        if self.started_s is None:
            self.started_s = time.perf_counter() - event.elapsed_s
        self.prefill = event

    def _take_text(self, event: TextChunk) -> None:
        self.last_token_s = time.perf_counter()
        if self.first_token_s is None:
            self.first_token_s = self.last_token_s
        self.generated_tokens += event.token_count
        self.accepted_tokens += event.drafted_token_count
        self._parts.add(event.kind, event.text)

    def _complete(
        self,
        state: TurnState,
        finished: GenerationFinished | None,
        error: MessageError | None,
        model: str,
    ) -> None:
        if finished is not None:
            self.stats, self.finish_reason = finished.stats, finished.reason
            self._parts.finish(finished.tool_calls)
            self._events.append(finished)
        self.error = error
        self._answer = replace(
            self._answer,
            parts=self._parts.parts(),
            status=_STATUS[state],
            model=model,
            stats=self.stats.to_json() if self.stats else None,
            error=error,
        )
