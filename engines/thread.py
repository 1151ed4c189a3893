"""The one thread that owns a loaded model.

Load, prefill, decode and close all happen on it, because MLX's streams are bound to the thread that
made them and a llama.cpp context is not thread-safe. It never calls into a user interface: events
go to the sink given with each request, which must only take them in and return.
"""

from __future__ import annotations

import logging
import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from engines.base import Cancelled, Engine
from engines.errors import EngineError
from engines.events import (
    CacheForgotten,
    EngineEvent,
    EngineFailed,
    ModelLoaded,
    TokensCounted,
)
from engines.types import (
    CountTokensRequest,
    EngineRequest,
    ForgetCacheRequest,
    GenerationRequest,
    LoadRequest,
    ModelInfo,
)

EventSink = Callable[[EngineEvent], None]

_SWITCH_INTERVAL_S = 0.0001
"""While a turn runs: how long a painting interface keeps the interpreter lock after each pass.

Beside a thread that paints 8 % of the time, tokens of 1.5 ms took 10 % longer with the usual 5 ms,
6 % with 0.5 ms, and 2 to 3 % with 0.1 ms; shorter gained nothing.
"""

_IDLE_S = 0.5
"""Without a request before the KV caches are written to disk."""

_LOOK_S = 30.0
"""How often an idle thread looks whether it was told another time to stay loaded."""

log = logging.getLogger(__name__)


class EngineState(StrEnum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"


class Job:
    """A request on its way through an engine thread."""

    def __init__(self, request: EngineRequest, sink: EventSink) -> None:
        self.request = request
        self.sink = sink
        self._cancelled = threading.Event()
        self.is_cancelled: Cancelled = self._cancelled.is_set

    def cancel(self) -> None:
        """Ask for the end; the job still reports how it ended."""
        self._cancelled.set()


class EngineThread:
    """Starts loading at once; requests submitted meanwhile wait their turn.

    Args:
        create: Makes the engine, on the engine's thread (this may import its library).
        load_request: The model to load.
        sink: Takes the events of the load: `LoadProgress`, then `ModelLoaded` or `EngineFailed`.
        keep_alive_s: How long to stay loaded without a request; the thread ends after that.
        clock: Tells seconds; tests pass their own.
    """

    def __init__(
        self,
        create: Callable[[], Engine],
        load_request: LoadRequest,
        sink: EventSink,
        keep_alive_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.load_request = load_request
        self.state = EngineState.LOADING
        self.info: ModelInfo | None = None
        self.failure: EngineFailed | None = None
        self.memory_bytes = 0
        self._clock = clock
        self.last_used_s = clock()
        self._keep_alive_s = keep_alive_s
        self._ending = threading.Lock()
        self._create = create
        self._load_sink = sink
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._current: Job | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"engine-{load_request.engine}", daemon=True
        )
        self._thread.start()

    def submit(self, request: EngineRequest, sink: EventSink) -> Job:
        """Queue a request; its events go to `sink`, on this engine's thread."""
        job = Job(request, sink)
        with self._ending:
            self.last_used_s = self._clock()
            self._jobs.put(job)
        return job

    def keep(self, keep_alive_s: float) -> bool:
        """Stay loaded for so long after now and after each request; False if it is too late."""
        with self._ending:
            if self.state not in (EngineState.LOADING, EngineState.READY):
                return False
            self._keep_alive_s = keep_alive_s
            self.last_used_s = self._clock()
            return True

    @property
    def is_busy(self) -> bool:
        return self._current is not None or not self._jobs.empty()

    def close(self, timeout_s: float = 2.0) -> bool:
        """Cancel what runs, free the model and end the thread; False if it did not end in time."""
        self._closing.set()
        if (job := self._current) is not None:
            job.cancel()
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        engine: Engine | None = None
        try:
            engine = self._load()
            while (job := self._next_job(engine)) is not None:
                if self._closing.is_set():
                    self._leave_out(engine, job)
                    break
                self._current = job
                try:
                    self._serve(engine, job)
                finally:
                    self._current = None
                    self.last_used_s = self._clock()
        finally:
            self._refuse_waiting_jobs(engine)
            if engine is not None:
                engine.close()
            self.state = EngineState.CLOSED
            self.memory_bytes = 0
            self._refuse_waiting_jobs()

    def _next_job(self, engine: Engine | None) -> Job | None:
        """Wait for a request, and keep the KV caches once the thread has been idle for a while.

        None ends the thread: it was told to, or was idle for longer than it is kept.
        """
        try:
            return self._jobs.get(timeout=_IDLE_S)
        except queue.Empty:
            if engine is not None:
                self._save_caches(engine)
        while not self._has_idled_enough():
            left_s = self._keep_alive_s - (self._clock() - self.last_used_s)
            try:
                return self._jobs.get(timeout=min(_LOOK_S, max(left_s, 0.01)))
            except queue.Empty:
                continue
        return None

    def _has_idled_enough(self) -> bool:
        """Whether the thread ends here; from then on it takes no request any more."""
        with self._ending:
            idle_s = self._clock() - self.last_used_s
            is_over = idle_s >= self._keep_alive_s and self._jobs.empty()
            if not is_over or self.state is not EngineState.READY:
                return False
            self.state = EngineState.CLOSED
            return True

    def _save_caches(self, engine: Engine) -> None:
        try:
            engine.save_caches(lambda: not self._jobs.empty())
        except Exception as error:  # nobody asked for it, so nobody is told
            log.exception("the KV caches could not be kept", exc_info=error)

    def _leave_out(self, engine: Engine | None, job: Job) -> None:
        """At the end nothing is run any more; but what was deleted must not be written to disk."""
        if engine is not None and isinstance(job.request, ForgetCacheRequest):
            self._serve(engine, job)
        else:
            _refuse(job)

    def _refuse_waiting_jobs(self, engine: Engine | None = None) -> None:
        """Nobody waits for ever: what was submitted too late is answered as well."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                self._leave_out(engine, job)

    def _load(self) -> Engine | None:
        started_s = time.perf_counter()
        engine: Engine | None = None
        try:
            engine = self._create()
            self.info = engine.load(self.load_request, self._load_sink, self._closing.is_set)
        except Exception as error:
            self.failure = _failure(error)
            self.state = EngineState.FAILED
            self._load_sink(self.failure)
            if engine is not None:
                engine.close()
            return None
        self.memory_bytes = engine.memory_bytes()
        self.state = EngineState.READY
        self._load_sink(ModelLoaded(self.info, time.perf_counter() - started_s))
        return engine

    def _serve(self, engine: Engine | None, job: Job) -> None:
        if engine is None:
            job.sink(self.failure or EngineFailed("EngineUnavailable", "The engine is closed."))
            return
        try:
            match job.request:
                case GenerationRequest() as request:
                    with _quick_thread_switches():
                        self._generate(engine, request, job)
                case CountTokensRequest(texts):
                    job.sink(TokensCounted(tuple(engine.count_tokens(texts))))
                case ForgetCacheRequest(cache_key):
                    engine.forget(cache_key)
                    job.sink(CacheForgotten(cache_key))
        except Exception as error:
            job.sink(_failure(error))
        self.memory_bytes = engine.memory_bytes()

    def _generate(self, engine: Engine, request: GenerationRequest, job: Job) -> None:
        events = engine.generate(request, job.is_cancelled)
        try:
            for event in events:
                job.sink(event)
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()


def _refuse(job: Job) -> None:
    job.sink(EngineFailed("EngineUnavailable", "The engine was closed.", "Send it again."))


def _failure(error: Exception) -> EngineFailed:
    if isinstance(error, EngineError):
        return EngineFailed.from_error(error)
    log.exception("unexpected error in an engine", exc_info=error)
    if isinstance(error, MemoryError):
        return EngineFailed("NotEnoughMemory", "The machine ran out of memory.", "Close something.")
    text = " ".join(str(error).split())[:300] or type(error).__name__
    return EngineFailed(
        type(error).__name__,
        f"The engine failed: {text}",
        "Try again; the log file (llm-tui doctor shows its path) has the details.",
    )


_switch_lock = threading.Lock()
_running_turns = 0
_normal_switch_interval_s = sys.getswitchinterval()


@contextmanager
def _quick_thread_switches() -> Iterator[None]:
    global _running_turns
    with _switch_lock:
        _running_turns += 1
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        with _switch_lock:
            _running_turns -= 1
            if not _running_turns:
                sys.setswitchinterval(_normal_switch_interval_s)
