"""The loaded models, each on its own thread, within a budget of memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engines.base import Engine
from engines.registry import create_for
from engines.thread import EngineState, EngineThread, EventSink
from engines.types import LoadRequest


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

    def get(self, request: LoadRequest, sink: EventSink) -> EngineThread:
        """The thread for `request`: a loaded one, one that is loading, or a new one.

        `sink` takes the load's events and is left out where the model is already there. Any thread
        may ask: a turn that waited is started by the engine thread that ended the one before.
        """
        with self._lock:
            thread = self._threads.get(request)
            if thread is not None and thread.state in (EngineState.LOADING, EngineState.READY):
                return thread
            leaving = self._make_room()

            def create() -> Engine:
                for idle in leaving:  # here, not on the caller's thread, which may be painting
                    idle.close()
                return self._create(request)

            thread = EngineThread(create, request, sink)
            self._threads[request] = thread
            return thread

    @property
    def memory_bytes(self) -> int:
        return sum(thread.memory_bytes for thread in self._threads.values())

    def close(self, timeout_s: float = 2.0) -> bool:
        """End every engine; False if one is still at work and the process must leave without it."""
        ended = [thread.close(timeout_s) for thread in list(self._threads.values())]
        self._threads.clear()
        return all(ended)

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
