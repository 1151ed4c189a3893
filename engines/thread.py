"""The one thread that owns a loaded model.

Load, prefill, decode and close all happen on it, because MLX's streams are bound to the thread that
made them and a llama.cpp context is not thread-safe. It never calls into a user interface: events
go to the sink given with each request, which must only take them in and return.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from engines.base import Engine
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

_SWITCH_INTERVAL_S = 0.0005
"""While a turn runs: keeps a painting interface from holding the interpreter lock for 5 ms."""

_IDLE_S = 0.5
"""Without a request before the KV caches are written to disk."""

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

    def cancel(self) -> None:
        """Ask for the end; the job still reports how it ended."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()


class EngineThread:
    """Starts loading at once; requests submitted meanwhile wait their turn.

    Args:
        create: Makes the engine, on the engine's thread (this may import its library).
        load_request: The model to load.
        sink: Takes the events of the load: `LoadProgress`, then `ModelLoaded` or `EngineFailed`.
    """

    def __init__(
        self, create: Callable[[], Engine], load_request: LoadRequest, sink: EventSink
    ) -> None:
        self.load_request = load_request
        self.state = EngineState.LOADING
        self.info: ModelInfo | None = None
        self.failure: EngineFailed | None = None
        self.memory_bytes = 0
        self.last_used_s = time.monotonic()
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
        self.last_used_s = time.monotonic()
        self._jobs.put(job)
        return job

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
                    _refuse(job)
                    break
                self._current = job
                try:
                    self._serve(engine, job)
                finally:
                    self._current = None
                    self.last_used_s = time.monotonic()
        finally:
            if engine is not None:
                engine.close()
            self.state = EngineState.CLOSED
            self._refuse_waiting_jobs()

    def _next_job(self, engine: Engine | None) -> Job | None:
        """Wait for a request, and keep the KV caches once the thread has been idle for a while."""
        try:
            return self._jobs.get(timeout=_IDLE_S)
        except queue.Empty:
            if engine is not None:
                self._save_caches(engine)
        return self._jobs.get()

    def _save_caches(self, engine: Engine) -> None:
        try:
            engine.save_caches(lambda: not self._jobs.empty())
        except Exception as error:  # nobody asked for it, so nobody is told
            log.exception("the KV caches could not be kept", exc_info=error)

    def _refuse_waiting_jobs(self) -> None:
        """Nobody waits for ever: what was submitted too late is answered as well."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                _refuse(job)

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
