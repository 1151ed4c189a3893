"""An engine with its library's own loop beside it, on one thread and one set of weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engines.base import Cancelled, Engine
from engines.bench.library_loop import LibraryLoop, LoopTimes, open_library_loop
from engines.events import FinishReason, GenerationEvent, GenerationFinished, LoadProgress
from engines.stats import GenerationStats
from engines.types import GenerationRequest, LoadRequest, ModelInfo

OpenLoop = Callable[[LoadRequest, Engine], LibraryLoop]


@dataclass(frozen=True, slots=True)
class LibraryRequest(GenerationRequest):
    """A generation by the library's own loop; its prompt is token ids alone, its end the limit."""


@dataclass(frozen=True, slots=True)
class UnlearnedRequest(GenerationRequest):
    """A generation by our engine that knows nothing yet of what drafts cost and bring here."""


@dataclass(frozen=True, slots=True)
class BareTurnRequest(GenerationRequest):
    """Time turns that read `prompt_tokens` behind the prompt's length; reported as TTFT."""

    prompt_tokens: int = 1


@dataclass(frozen=True, slots=True)
class RowCostRequest(GenerationRequest):
    """Time passes of `rows` tokens behind the prompt's length; reported as TTFT."""

    rows: int = 1


@dataclass(frozen=True, slots=True)
class SaveRequest(GenerationRequest):
    """Keep all KV caches on disk, as the app does when it rests; reported as TTFT."""


class ComparedEngine:
    """Our engine, and for a `LibraryRequest` the library's loop on the same model."""

    def __init__(self, engine: Engine, open_loop: OpenLoop = open_library_loop) -> None:
        self.loop: LibraryLoop | None = None
        self._engine = engine
        self._open_loop = open_loop
        self._info: ModelInfo | None = None

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        self._info = self._engine.load(request, report, cancelled)
        self.loop = self._open_loop(request, self._engine)
        return self._info

    def generate(
        self, request: GenerationRequest, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        match request:
            case LibraryRequest():
                yield self._generate_by_library(request)
            case RowCostRequest():
                yield self._time_rows(request)
            case BareTurnRequest():
                yield self._time_turn(request)
            case SaveRequest():
                yield self._save(request)
            case UnlearnedRequest():
                assert self.loop is not None
                self.loop.unlearn()
                yield from self._engine.generate(request, cancelled)
            case _:
                yield from self._engine.generate(request, cancelled)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._engine.count_tokens(texts)

    def forget(self, cache_key: str) -> None:
        self._engine.forget(cache_key)

    def save_caches(self, gives_way: Cancelled) -> None:
        self._engine.save_caches(gives_way)

    def memory_bytes(self) -> int:
        return self._engine.memory_bytes()

    def close(self) -> None:
        if self.loop is not None:
            self.loop.close()
            self.loop = None
        self._engine.close()

    def _generate_by_library(self, request: LibraryRequest) -> GenerationFinished:
        assert self.loop is not None
        prompt_ids = _ids(request)
        generate = self.loop.generate_speculatively if request.use_draft else self.loop.generate
        return self._finished(prompt_ids, generate(prompt_ids, request.max_tokens or 1))

    def _time_rows(self, request: RowCostRequest) -> GenerationFinished:
        assert self.loop is not None
        prompt_ids = _ids(request)
        pass_s = self.loop.pass_s(request.rows, len(prompt_ids))
        return self._finished(prompt_ids, LoopTimes((), pass_s, pass_s))

    def _time_turn(self, request: BareTurnRequest) -> GenerationFinished:
        assert self.loop is not None
        context_ids = _ids(request)
        turn_s = self.loop.turn_s(request.prompt_tokens, len(context_ids))
        return self._finished(context_ids, LoopTimes((), turn_s, turn_s))

    def _save(self, request: SaveRequest) -> GenerationFinished:
        started_s = time.perf_counter()
        self._engine.save_caches(lambda: False)
        save_s = time.perf_counter() - started_s
        return self._finished(_ids(request), LoopTimes((), save_s, save_s))

    def _finished(self, prompt_ids: Sequence[int], times: LoopTimes) -> GenerationFinished:
        assert self._info is not None
        stats = GenerationStats(
            engine=self._info.engine,
            model=self._info.name,
            quantization=self._info.quantization,
            prompt_tokens=len(prompt_ids),
            cached_tokens=0,
            generated_tokens=times.generated_tokens,
            ttft_s=times.first_token_s,
            prefill_s=times.first_token_s,
            decode_s=times.last_token_s - times.first_token_s,
            kv_cache_bytes=0,
            kv_type=self._info.kv_type,
            drafted_tokens=times.drafted_tokens,
            accepted_tokens=times.accepted_tokens,
        )
        token_ids = (*prompt_ids, *times.token_ids)
        return GenerationFinished(FinishReason.LENGTH, stats, token_ids, (len(prompt_ids),))


def _ids(request: GenerationRequest) -> list[int]:
    return [token for segment in request.prompt for token in segment if isinstance(token, int)]
