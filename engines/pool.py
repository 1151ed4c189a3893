"""The loaded models, each on its own thread, within a budget of memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from engines.base import Engine
from engines.registry import create_for
from engines.thread import EngineState, EngineThread, EventSink
from engines.types import ForgetCacheRequest, LoadRequest


class EnginePool:
    """Keeps a model loaded per distinct request, so that switching back to one is immediate.

    Args:
        memory_budget_bytes: Weights and KV caches to hold at most; beyond it, the model that was
            idle longest is closed before another one is loaded. One model is always allowed.
        create: Makes the engine for a request; tests pass their own.
    """

    def __init__(
        self,
        memory_budget_bytes: int,
        create: Callable[[LoadRequest], Engine] = create_for,
    ) -> None:
        self.memory_budget_bytes = memory_budget_bytes
        self._create = create
        self._threads: dict[LoadRequest, EngineThread] = {}
        self._lock = threading.Lock()

    def get(
        self, request: LoadRequest, sink: EventSink, keep_alive_s: float = math.inf
    ) -> EngineThread:
        """The thread for `request`: a loaded one, one that is loading, or a new one.

        It ends after `keep_alive_s` without a request, as whoever asked last wants it. `sink`
        takes the load's events and is left out where the model is already there. Any thread may
        ask: a turn that waited is started by the engine thread that ended the one before.
        """
        with self._lock:
            thread = self._threads.get(request)
            if thread is not None and thread.keep(keep_alive_s):
                return thread
            leaving = self._take_ended() + self._make_room()

            def create() -> Engine:
                for idle in leaving:  # here, not on the caller's thread, which may be painting
                    idle.close()
                return self._create(request)

            thread = EngineThread(create, request, sink, keep_alive_s)
            self._threads[request] = thread
            return thread

    def forget(self, cache_key: str) -> None:
        """Drop the KV cache of `cache_key` in every loaded model, once its running turn is over.

        A key that ends with a slash stands for all that begin with it: a deleted conversation.
        """
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.submit(ForgetCacheRequest(cache_key), lambda event: None)

    def has(self, request: LoadRequest) -> bool:
        """Whether the model is there, or on its way."""
        thread = self._threads.get(request)
        return thread is not None and thread.state in (EngineState.LOADING, EngineState.READY)

    @property
    def memory_bytes(self) -> int:
        return sum(thread.memory_bytes for thread in self._threads.values())

    def close(self, timeout_s: float = 2.0) -> bool:
        """End every engine; False if one is still at work and the process must leave without it."""
        ended = [thread.close(timeout_s) for thread in list(self._threads.values())]
        self._threads.clear()
        return all(ended)

    def _take_ended(self) -> list[EngineThread]:
        """Take out those that ended by themselves; one may still be giving its memory back."""
        ended = [t for t in self._threads.values() if t.state is EngineState.CLOSED]
        return [self._threads.pop(thread.load_request) for thread in ended]

    def _make_room(self) -> list[EngineThread]:
        """Take out what must be closed before another model is loaded, idle longest first."""
        leaving: list[EngineThread] = []
        idle = sorted(
            (thread for thread in self._threads.values() if not thread.is_busy),
            key=lambda thread: thread.last_used_s,
        )
        for thread in idle:
            if self.memory_bytes <= self.memory_budget_bytes:
                break
            leaving.append(self._threads.pop(thread.load_request))
        return leaving
