"""A profile's engine, as a session sees it.

engine = ProfileEngine(profile, pool)       starts loading
engine.state, engine.info, engine.progress, engine.failure
engine.drain() -> list[LoadEvent]
engine.thread() -> EngineThread             to submit to; loads again what was closed
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import replace

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

    Args:
        engine: In place of the profile's own.

    Attributes:
        request: What it loads; None where the profile's engine does not work here.
    """

    def __init__(self, profile: Profile, pool: EnginePool, engine: str | None = None) -> None:
        self.profile = profile
        self._wanted_engine = engine
        self._load_s: float | None = None
        self.progress: LoadProgress | None = None
        self.failure: EngineFailed | None = None
        self._pool = pool
        self._events: deque[LoadEvent] = deque()
        self._thread: EngineThread | None = None
        self._lock = threading.Lock()
        self._has_ended = False
        self.request = self._resolve()
        if self.request is not None:
            self._start(self.request)

    @property
    def engine(self) -> str:
        return self.request.engine if self.request else self._wanted_engine or self.profile.engine

    def take_load_s(self) -> float | None:
        """Seconds that loading took, told once; None where nothing was loaded since."""
        load_s, self._load_s = self._load_s, None
        return load_s

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
        if self.request is None:
            return None
        if self._thread is None or self._thread.state not in _USABLE:
            self.failure = None
            self._has_ended = False
            return self._start(self.request)
        return self._ask_pool(self.request)

    def _resolve(self) -> LoadRequest | None:
        try:
            engine = self._wanted_engine or self.profile.engine
            return load_request(replace(self.profile, engine=engine))
        except EngineError as error:
            self._take(EngineFailed.from_error(error))
            return None

    def _start(self, request: LoadRequest) -> EngineThread:
        thread = self._ask_pool(request)
        if thread.state is EngineState.READY and thread.info is not None:
            self._take(ModelLoaded(thread.info, 0.0))
        else:
            thread.submit(CountTokensRequest(()), self._take_answer)
        return thread

    def _ask_pool(self, request: LoadRequest) -> EngineThread:
        keep_alive_s = self.profile.keep_alive_s
        thread = self._thread = self._pool.get(
            request, self._take, math.inf if keep_alive_s is None else keep_alive_s
        )
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
            elif event.load_s:
                self._load_s = event.load_s
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
