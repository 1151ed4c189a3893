"""A loaded model to measure, on an engine thread as in the app."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from engines.base import Engine
from engines.bench.compared_engine import (
    BareTurnRequest,
    ComparedEngine,
    LibraryRequest,
    OpenLoop,
    RowCostRequest,
    SaveRequest,
    UnlearnedRequest,
)
from engines.bench.figures import Run
from engines.bench.library_loop import LibraryLoop, open_library_loop
from engines.bench.loaded_engine import LoadedEngine
from engines.events import (
    CacheForgotten,
    GenerationFinished,
)
from engines.registry import create_for
from engines.types import (
    ForgetCacheRequest,
    GenerationRequest,
    LoadRequest,
    PromptSegment,
    SamplingParams,
)

GREEDY = SamplingParams(temperature=0.0)


class Workbench(LoadedEngine):
    """Loads a model, and runs generations on it one after the other.

    Args:
        request: What to load.
        create: Makes the engine; tests pass their own.
        open_loop: Finds the library's loop; tests pass their own.

    Raises:
        EngineError: the model does not load.
    """

    def __init__(
        self,
        request: LoadRequest,
        create: Callable[[LoadRequest], Engine] = create_for,
        open_loop: OpenLoop = open_library_loop,
    ) -> None:
        self._numbers = itertools.count()
        self._engine: ComparedEngine | None = None

        def create_compared() -> Engine:
            self._engine = ComparedEngine(create(request), open_loop)
            return self._engine

        super().__init__(request, create_compared)

    @property
    def loop(self) -> LibraryLoop:
        assert self._engine is not None and self._engine.loop is not None
        return self._engine.loop

    def encode(self, text: str) -> list[int]:
        return self.loop.encode(text)

    def run_ours(
        self,
        prompt_ids: Sequence[int],
        max_tokens: int,
        use_draft: bool = False,
        sampling: SamplingParams = GREEDY,
        references: tuple[str, ...] = (),
        unlearned: bool = False,
    ) -> Run:
        """One generation by our engine, from an empty KV cache, as a turn of the app.

        Args:
            unlearned: What earlier runs taught it about drafts is forgotten first.
        """
        cache_key = f"bench-{next(self._numbers)}"
        kind = UnlearnedRequest if unlearned else GenerationRequest
        finished, cpu_s = self.generate(
            kind(
                (tuple(prompt_ids),),
                cache_key,
                sampling,
                max_tokens,
                use_draft=use_draft,
                references=references,
            )
        )
        self.forget(cache_key)
        return Run.of(finished, cpu_s)

    def run_library(
        self, prompt_ids: Sequence[int], max_tokens: int, use_draft: bool = False
    ) -> Run:
        """The same by the library's own loop."""
        prompt: tuple[PromptSegment, ...] = (tuple(prompt_ids),)
        request = LibraryRequest(prompt, "library", GREEDY, max_tokens, use_draft=use_draft)
        return Run.of(*self.generate(request))

    def time_rows(self, rows: int, context_tokens: int) -> float:
        """Seconds of one pass over `rows` tokens behind `context_tokens` of context."""
        prompt: tuple[PromptSegment, ...] = ((0,) * context_tokens,)
        finished, _ = self.generate(RowCostRequest(prompt, "rows", GREEDY, rows=rows))
        return finished.stats.ttft_s or 0.0

    def time_bare_turn(self, prompt_tokens: int, context_tokens: int) -> float:
        """Seconds to a first token behind `context_tokens` of context, by the bare library."""
        prompt: tuple[PromptSegment, ...] = ((0,) * context_tokens,)
        request = BareTurnRequest(prompt, "turn", GREEDY, prompt_tokens=prompt_tokens)
        return self.generate(request)[0].stats.ttft_s or 0.0

    def save_caches(self) -> float:
        """Keep all KV caches on disk, as the app does when it rests; seconds it took."""
        finished, _ = self.generate(SaveRequest(((0,),), "save"))
        return finished.stats.ttft_s or 0.0

    def generate(self, request: GenerationRequest) -> tuple[GenerationFinished, float]:
        """The end of a generation, and the processor seconds it took the process.

        Raises:
            EngineError: it failed.
        """
        started_s = time.process_time()
        finished = self.ask_engine(request, GenerationFinished)
        return finished, time.process_time() - started_s

    def forget(self, cache_key: str) -> None:
        self.ask_engine(ForgetCacheRequest(cache_key), CacheForgotten)
