"""A profile's engine, as a session sees it.

engine = ProfileEngine(profile, pool)       starts loading
engine.state, engine.info, engine.progress, engine.failure
engine.drain() -> list[LoadEvent]
engine.thread() -> EngineThread             to submit to; loads again what was closed
"""

from __future__ import annotations

import threading
from collections import deque

from engines.errors import EngineError
from engines.events import EngineEvent, EngineFailed, LoadProgress, ModelLoaded
from engines.pool import EnginePool
from engines.thread import EngineState, EngineThread
from engines.types import CountTokensRequest, LoadRequest, ModelInfo
from profiles.resolve import load_request
from profiles.schema import Profile

LoadEvent = LoadProgress | ModelLoaded | EngineFailed


class ProfileEngine:
    """Asks the pool for the profile's model and keeps what it reports.

    Two sessions may share a model, and only the one that asked first hears how it loads; so each
    also asks the engine a question, and takes the answer as the end of loading.
    """

    def __init__(self, profile: Profile, pool: EnginePool) -> None:
        self.profile = profile
        self.progress: LoadProgress | None = None
        self.failure: EngineFailed | None = None
        self._pool = pool
        self._events: deque[LoadEvent] = deque()
        self._thread: EngineThread | None = None
        self._lock = threading.Lock()
        self._has_ended = False
        self._request = self._resolve()
        if self._request is not None:
            self._start(self._request)

    @property
    def state(self) -> EngineState:
        if self.failure is not None or self._thread is None:
            return EngineState.FAILED
        return self._thread.state

    @property
    def info(self) -> ModelInfo | None:
        return self._thread.info if self._thread is not None else None

    def drain(self) -> list[LoadEvent]:
        """The events since the last call, oldest first; `ModelLoaded` comes even without a wait."""
        events: list[LoadEvent] = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def thread(self) -> EngineThread | None:
        """The engine's thread; a model that failed or was closed meanwhile is loaded again.

        None where the profile's engine does not work here; `failure` says why.
        """
        if self._request is None:
            return None
        if self._thread is None or self._thread.state not in _USABLE:
            self.failure = None
            self._has_ended = False
            return self._start(self._request)
        self._thread = self._pool.get(self._request, self._take)
        return self._thread

    def _resolve(self) -> LoadRequest | None:
        try:
            return load_request(self.profile)
        except EngineError as error:
            self._take(EngineFailed.from_error(error))
            return None

    def _start(self, request: LoadRequest) -> EngineThread:
        thread = self._thread = self._pool.get(request, self._take)
        if thread.state is EngineState.READY and thread.info is not None:
            self._take(ModelLoaded(thread.info, 0.0))
        else:
            thread.submit(CountTokensRequest(()), self._take_answer)
        return thread

    def _take(self, event: EngineEvent) -> None:
        if isinstance(event, LoadProgress):
            self.progress = event
            self._events.append(event)
        elif isinstance(event, ModelLoaded | EngineFailed):
            with self._lock:
                is_news, self._has_ended = not self._has_ended, True
            if isinstance(event, EngineFailed):
                self.failure = event
            if is_news:
                self.progress = None
                self._events.append(event)

    def _take_answer(self, event: EngineEvent) -> None:
        thread = self._thread
        if isinstance(event, EngineFailed):
            self._take(event)
        elif thread is not None and thread.info is not None:
            self._take(ModelLoaded(thread.info, 0.0))


_USABLE = (EngineState.LOADING, EngineState.READY)
