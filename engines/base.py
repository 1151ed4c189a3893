"""The contract every engine keeps: load, then prefill and decode, then close.

All methods are called on one thread, the engine's own (`engines.thread.EngineThread`), and so is
every `next()` and `close()` of the iterators they return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from engines.events import GenerationEvent, LoadProgress
from engines.types import GenerationRequest, LoadRequest, ModelInfo

Cancelled = Callable[[], bool]
"""True once the caller wants the work to end; cheap enough to ask for every token."""


class Engine(Protocol):
    """Runs one model, and one draft model at most, on this machine."""

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        """Make the model ready.

        Raises:
            ModelNotFound, ModelLoadError, NotEnoughMemory, EngineUnavailable: as they say; the
                engine stays empty and can load another model.
        """
        ...

    def generate(
        self, request: GenerationRequest, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        """Prefill what is not cached, then decode.

        Yields `PrefillProgress` (at least once, first with the cached tokens alone), then
        `TextChunk`s, and always one `GenerationFinished` last. `cancelled` is asked after every
        prefill chunk and every token. Whatever ends the generation, the KV cache of
        `request.cache_key` then holds a prefix of the sequence, so that the next request with the
        same key re-prefills none of it.

        Raises:
            ContextWindowExceeded: the prompt leaves no room for a single token.
            GenerationError, NotEnoughMemory: the library failed; the cache of this key is dropped.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, with special tokens recognised and none added."""
        ...

    def forget(self, cache_key: str) -> None:
        """Drop the KV cache of `cache_key`, in memory and on disk, if there is one.

        A key that ends with a slash stands for all that begin with it: a whole conversation.
        """
        ...

    def save_caches(self, gives_way: Cancelled) -> None:
        """Write KV caches to disk, where one is kept there; called when nothing waits.

        `gives_way` turns true when a request comes, which then must not wait long.
        """
        ...

    def memory_bytes(self) -> int:
        """Bytes of weights and KV caches this engine holds now."""
        ...

    def close(self) -> None:
        """Save what outlives the process and give everything back. Not used again after that."""
        ...
