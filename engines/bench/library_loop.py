"""A library's own loop, run on the model that our engine has loaded."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engines.base import Engine

_OPENERS = {
    "mlx": "engines.mlx.library_loop",
    "llama.cpp": "engines.llama_cpp.library_loop",
}


@dataclass(frozen=True, slots=True)
class LoopTimes:
    """What a bare loop generated, and when; seconds count from the start of its prefill."""

    token_ids: tuple[int, ...]
    first_token_s: float
    last_token_s: float
    drafted_tokens: int = 0
    accepted_tokens: int = 0


class LibraryLoop(Protocol):
    """The tightest loop around a library that its own tools have: greedy, no text, no stops.

    All of it runs on the engine's thread, but `encode`, which any thread may call.
    """

    name: str
    """Which loop of the library this is."""

    speculative_name: str
    """The same with a draft model; empty where there is none."""

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, special tokens recognised and none added."""
        ...

    def generate(self, prompt_ids: Sequence[int], max_tokens: int) -> LoopTimes:
        """Prefill and decode `max_tokens` greedily, with a KV cache of its own."""
        ...

    def generate_speculatively(self, prompt_ids: Sequence[int], max_tokens: int) -> LoopTimes:
        """The same with the library's own speculative loop; only where it has a name."""
        ...

    def pass_s(self, rows: int, context_tokens: int) -> float:
        """Seconds of one pass over `rows` tokens behind `context_tokens`: the row-cost curve."""
        ...

    def close(self) -> None: ...


def open_library_loop(name: str, engine: Engine) -> LibraryLoop:
    """The library's loop on the model that `engine`, called `name`, has loaded."""
    module: Any = importlib.import_module(_OPENERS[name])
    loop: LibraryLoop = module.open_loop(engine)
    return loop
