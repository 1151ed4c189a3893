"""A model on an engine thread, as in the app, that is asked one thing after the other."""

from __future__ import annotations

import queue
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from engines.base import Engine
from engines.errors import EngineError
from engines.events import (
    EngineEvent,
    EngineFailed,
    LoadProgress,
    ModelLoaded,
    PrefillProgress,
    TextChunk,
)
from engines.thread import EngineThread
from engines.types import EngineRequest, LoadRequest, ModelInfo

CLOSE_TIMEOUT_S = 30.0

Answer = TypeVar("Answer")


class LoadedEngine:
    """Waits for each answer.

    Args:
        create: Makes the engine, on its thread.

    Raises:
        EngineError: the model does not load.
    """

    def __init__(self, request: LoadRequest, create: Callable[[], Engine]) -> None:
        self._events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
        self._thread = EngineThread(create, request, self._take)
        try:
            loaded = self._wait_for(ModelLoaded)
        except EngineError:
            self.close()
            raise
        self.request = request
        self.info: ModelInfo = loaded.info
        self.load_s = loaded.load_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._thread.close(CLOSE_TIMEOUT_S)

    def ask_engine(self, request: EngineRequest, kind: type[Answer]) -> Answer:
        """The event of type `kind` that ends `request`.

        Raises:
            EngineError: it failed.
        """
        self._thread.submit(request, self._take)
        return self._wait_for(kind)

    def _take(self, event: EngineEvent) -> None:
        """On the engine's thread. To wake another thread for every token would make the engine wait
        for the interpreter lock."""
        if not isinstance(event, TextChunk | PrefillProgress | LoadProgress):
            self._events.put(event)

    def _wait_for(self, kind: type[Answer]) -> Answer:
        while True:
            event = self._events.get()
            if isinstance(event, kind):
                return event
            if isinstance(event, EngineFailed):
                raise EngineError(event.message, event.hint)
