"""Runs a model with MLX, through the models of mlx_lm and a decode loop of our own."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

import mlx.core as mx

from engines.base import Cancelled
from engines.errors import (
    ContextWindowExceeded,
    GenerationError,
    ModelLoadError,
    NotEnoughMemory,
)
from engines.events import FinishReason, GenerationEvent, LoadProgress
from engines.generation import GenerationRun
from engines.mlx.cache_store import CacheStore, TurnCaches
from engines.mlx.decoding import Decoder, prefill
from engines.mlx.device import Device, current_device, leave_thread, limit_buffer_pool
from engines.mlx.model_pair import ModelPair, load_pair
from engines.mlx.sampling import Sampler
from engines.mlx.speculative import Drafter, SpeculativeDecoder
from engines.speculative.depth import DraftDepth
from engines.types import GenerationRequest, LoadRequest, ModelInfo, PromptSegment

_PARKING_BYTES = 4 * 2**30


class MLXEngine:
    """One model, and one draft model at most, on the default MLX device.

    Args:
        find_device: Says where to compute and how much memory is free; tests pass their own.
    """

    def __init__(self, find_device: Callable[[], Device] = current_device) -> None:
        self._find_device = find_device
        self._chunk_tokens = 0
        self._models: ModelPair | None = None
        self._store: CacheStore | None = None
        self._depth = DraftDepth()

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        self._empty()
        device = self._find_device()
        limit_buffer_pool()
        with _translated(ModelLoadError):
            models = load_pair(request, device, report, cancelled)
        free_bytes = max(0, device.available_bytes - models.weights_bytes)
        self._models = models
        self._store = CacheStore(min(_PARKING_BYTES, free_bytes // 2), models.create_caches)
        self._depth = DraftDepth()
        self._chunk_tokens = device.prefill_chunk_tokens
        return models.info

    def generate(
        self, request: GenerationRequest, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        models, store = self._loaded()
        started_s = time.perf_counter()
        prompt_ids, counts = _tokenize(models, request.prompt)
        window_tokens = models.info.context_window_tokens
        if len(prompt_ids) >= window_tokens:
            raise ContextWindowExceeded(len(prompt_ids), window_tokens)
        limit = window_tokens - len(prompt_ids)
        limit = limit if request.max_tokens is None else min(limit, request.max_tokens)
        run = GenerationRun(request, models.info, counts)
        run.started_s = started_s
        mx.reset_peak_memory()
        with _translated(GenerationError):
            caches = store.take(request.cache_key, prompt_ids)
            try:
                yield run.start_prefill(prompt_ids, len(caches.target.token_ids))
                reason = yield from self._produce(run, request, caches, limit, cancelled)
            except GeneratorExit:
                _keep(store, request.cache_key, caches, run)
                raise
            _keep(store, request.cache_key, caches, run)
        run.peak_memory_bytes = mx.get_peak_memory()
        yield from run.finish(reason)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        models, _ = self._loaded()
        return [len(models.target.tokenizer.encode(text)) for text in texts]

    def forget(self, cache_key: str) -> None:
        if self._store is not None:
            self._store.forget(cache_key)

    def memory_bytes(self) -> int:
        if self._models is None or self._store is None:
            return 0
        return self._models.weights_bytes + self._store.size_bytes

    def close(self) -> None:
        self._empty()
        leave_thread()

    def _produce(
        self,
        run: GenerationRun,
        request: GenerationRequest,
        caches: TurnCaches,
        limit: int,
        cancelled: Cancelled,
    ) -> Generator[GenerationEvent, None, FinishReason]:
        models, _ = self._loaded()
        prompt_ids = list(run.token_ids)
        chunks = prefill(models.target.network, caches.target, prompt_ids[:-1], self._chunk_tokens)
        for done_tokens in chunks:
            yield run.prefill_progress(done_tokens)
            if cancelled():
                return FinishReason.CANCELLED
        if limit <= 0:
            return FinishReason.LENGTH
        if models.kv_quantization is not None:
            caches.target.quantize(models.kv_quantization)
        decoder = self._decoder(request, caches, limit, cancelled)
        tokenizer = models.target.tokenizer
        for token in decoder.run(prompt_ids[-1]):
            if not run.generated_tokens:
                yield run.prefill_progress(run.prompt_tokens)
            run.drafted_tokens = decoder.drafted_tokens
            if token.id in tokenizer.stop_ids:
                return FinishReason.STOP
            run.accepted_tokens += token.drafted
            yield from run.add_token(token.id, tokenizer.piece(token.id), token.drafted)
            if run.stopped:
                return FinishReason.STOP
            if run.generated_tokens >= limit:
                return FinishReason.LENGTH
            if cancelled():
                return FinishReason.CANCELLED
        raise AssertionError("a decoder goes on until it is stopped")

    def _decoder(
        self, request: GenerationRequest, caches: TurnCaches, limit: int, cancelled: Cancelled
    ) -> Decoder:
        models, _ = self._loaded()
        target, sampler = models.target, Sampler(request.sampling)
        if models.draft is None or caches.draft is None or not request.use_draft:
            return Decoder(target.network, caches.target, sampler)
        vocabulary_size = min(target.vocabulary_size, models.draft.vocabulary_size)
        drafter = Drafter(
            models.draft.network, caches.draft, vocabulary_size, self._chunk_tokens, cancelled
        )
        return SpeculativeDecoder(
            target.network, caches.target, sampler, drafter, self._depth, limit
        )

    def _loaded(self) -> tuple[ModelPair, CacheStore]:
        if self._models is None or self._store is None:
            raise GenerationError("No model is loaded.", "Choose a model first.")
        return self._models, self._store

    def _empty(self) -> None:
        self._models = self._store = None
        gc.collect()
        mx.clear_cache()


def _tokenize(models: ModelPair, prompt: Sequence[PromptSegment]) -> tuple[list[int], list[int]]:
    """Ids of the whole prompt, and how many each segment has; an id too large would crash MLX."""
    segments = [
        models.target.tokenizer.encode(segment) if isinstance(segment, str) else list(segment)
        for segment in prompt
    ]
    token_ids = [token_id for segment in segments for token_id in segment]
    if not token_ids:
        raise GenerationError("The prompt is empty.", "Write something.")
    if min(token_ids) < 0 or max(token_ids) >= models.target.vocabulary_size:
        raise GenerationError(
            "The conversation holds tokens of another model.", "Start a new chat."
        )
    return token_ids, [len(segment) for segment in segments]


def _keep(store: CacheStore, cache_key: str, caches: TurnCaches, run: GenerationRun) -> None:
    caches.settle(run.token_ids)
    run.cached_end = len(caches.target.token_ids)
    store.put(cache_key, caches)


@contextmanager
def _translated(kind: type[GenerationError] | type[ModelLoadError]) -> Iterator[None]:
    """MLX's own errors, in words; out of memory is told apart."""
    try:
        yield
    except MemoryError as error:
        raise _not_enough_memory() from error
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        if "memory" in reason.lower() or "malloc" in reason.lower():
            raise _not_enough_memory() from error
        raise kind(f"MLX failed: {reason}", "Try again; if it happens again, reload.") from error


def _not_enough_memory() -> NotEnoughMemory:
    return NotEnoughMemory(
        "MLX ran out of memory.",
        "Choose a smaller context window, a smaller model or kv_type q8_0.",
    )
