"""Runs a model with MLX, through the models of mlx_lm and a decode loop of our own."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlx.core as mx

from engines.base import Cancelled
from engines.errors import (
    ContextWindowExceeded,
    GenerationError,
    ModelLoadError,
    NotEnoughMemory,
)
from engines.events import FinishReason, GenerationEvent, LoadProgress
from engines.generation import TEXT_EVERY_S, GenerationRun
from engines.heap import give_back_heap, map_large_blocks
from engines.kv.shelf import draft_shelf_for, shelf_for
from engines.logit_bias import resolve_logit_bias
from engines.mlx.cache_store import CacheStore, DiskShelves, TurnCaches
from engines.mlx.decoding import Decoder, feed_chunk
from engines.mlx.device import (
    Device,
    current_device,
    enter_thread,
    leave_thread,
    limit_buffer_pool,
)
from engines.mlx.kv_cache import KVCache
from engines.mlx.loaded_model import LoadedModel
from engines.mlx.model_pair import ModelPair, load_pair
from engines.mlx.sampling import Sampler
from engines.mlx.speculative import Drafter, SpeculativeDecoder
from engines.mlx.turn_memory import turn_need
from engines.prefill_chunk import ChunkLength
from engines.speculative.record import SpeculationRecord
from engines.speculative.turn import Speculation
from engines.turn_memory import plan_turn
from engines.types import GenerationRequest, LoadRequest, ModelInfo, PromptSegment

_PARKING_BYTES = 4 * 2**30
_LIBRARIES = ("mlx", "mlx-lm")
_ANSWER_TOKENS = 1024
"""Room to make for an answer whose length nobody knows."""
_LEAVING_S = 1.0
"""To write KV caches at the end; most are on disk by then."""


class MLXEngine:
    """One model, and one draft model at most, on the default MLX device.

    Args:
        find_device: Says where to compute and how much memory is free; tests pass their own.
        kv_folder: Where KV caches outlive the process; None lets them end with it.
    """

    def __init__(
        self,
        find_device: Callable[[], Device] = current_device,
        kv_folder: Path | None = None,
    ) -> None:
        self._find_device = find_device
        self._kv_folder = kv_folder
        self._chunk_length = ChunkLength(0)
        self._models: ModelPair | None = None
        self._drafts_pay = True
        self._store: CacheStore | None = None
        self._speculation = SpeculationRecord()

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        enter_thread()
        self._empty()
        device = self._find_device()
        limit_buffer_pool()
        map_large_blocks()
        with _translated(ModelLoadError):
            models = load_pair(request, device, report, cancelled)
        free_bytes = max(0, device.available_bytes - models.weights_bytes)
        self._models = models
        self._drafts_pay = not device.why_no_drafts
        disk = DiskShelves(
            shelf_for(self._kv_folder, request, models.info, _LIBRARIES),
            draft_shelf_for(self._kv_folder, request, models.info, _LIBRARIES),
        )
        parking_bytes = min(_PARKING_BYTES, free_bytes // 2)
        self._store = CacheStore(parking_bytes, models.create_caches, disk)
        draft_bytes = models.draft.weights_bytes if models.draft else 0
        self._speculation = SpeculationRecord(draft_bytes / models.target.weights_bytes)
        self._speculation.depth_max = request.draft_depth
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
        run = GenerationRun(request, models.info, counts, TEXT_EVERY_S)
        run.started_s = started_s
        mx.reset_peak_memory()
        with _translated(GenerationError):
            caches = store.take(request.cache_key, prompt_ids)
            run.cache_reuse = store.reuse
            limit = self._fit_turn(run, caches, len(prompt_ids), limit, request.cache_key)
            try:
                yield run.start_prefill(prompt_ids, len(caches.target.token_ids))
                reason = yield from self._produce(run, request, caches, limit, cancelled)
            except GeneratorExit:
                _keep(store, request.cache_key, caches, run)
                raise
            except Exception:
                store.forget(request.cache_key)  # on disk as well: it may be what failed
                raise
            _keep(store, request.cache_key, caches, run)
        run.peak_memory_bytes = mx.get_peak_memory()
        run.plain_decode_tps = self._speculation.costs.plain_tps
        yield from run.finish(reason)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        models, _ = self._loaded()
        return [len(models.target.tokenizer.encode(text)) for text in texts]

    def forget(self, cache_key: str) -> None:
        if self._store is not None:
            self._store.forget(cache_key)

    def save_caches(self, gives_way: Cancelled) -> None:
        if self._store is not None:
            self._store.save(gives_way)

    def memory_bytes(self) -> int:
        if self._models is None or self._store is None:
            return 0
        return self._models.weights_bytes + self._store.size_bytes

    def close(self) -> None:
        if self._store is not None:
            end_s = time.perf_counter() + _LEAVING_S
            self._store.save(lambda: time.perf_counter() > end_s, is_leaving=True)
        self._empty()
        leave_thread()

    @property
    def models(self) -> ModelPair:
        """The loaded models, for a comparison with the library's own loops."""
        return self._loaded()[0]

    @property
    def speculation(self) -> SpeculationRecord:
        """What it has learned about drafts with these models."""
        return self._speculation

    def _fit_turn(
        self,
        run: GenerationRun,
        caches: TurnCaches,
        prompt_tokens: int,
        limit_tokens: int,
        cache_key: str,
    ) -> int:
        """Make room for a turn; returns how many tokens its answer may have.

        Raises:
            NotEnoughMemory: there is no way; `caches` are parked again.
        """
        models, store = self._loaded()
        need = turn_need(models, store, caches, prompt_tokens, min(limit_tokens, _ANSWER_TOKENS))
        try:
            plan = plan_turn(need, self._find_device().available_bytes)
        except NotEnoughMemory:
            store.put(cache_key, caches)
            raise
        if plan.parked_bytes < need.parked_bytes and store.shrink_to(plan.parked_bytes):
            mx.clear_cache()
        self._chunk_length.limit(plan.chunk_tokens)
        run.memory_note = plan.note
        is_short = plan.answer_tokens < need.answer_tokens
        return plan.answer_tokens if is_short else limit_tokens

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
        if (yield from self._prefill(run, caches.target, cancelled)):
            return FinishReason.CANCELLED
        if limit <= 0:
            return FinishReason.LENGTH
        if models.kv_quantization is not None:
            caches.target.quantize(models.kv_quantization)
        speculation, drafter = self._drafting(request, caches, prompt_ids, cancelled)
        target, sampler = models.target, _open_sampler(request, models.target)
        decoder = (
            SpeculativeDecoder(target.network, caches.target, sampler, speculation, limit, drafter)
            if speculation
            else Decoder(target.network, caches.target, sampler)
        )
        tokenizer = models.target.tokenizer
        for token in decoder.run(prompt_ids[-1]):
            if not run.generated_tokens:
                yield run.prefill_progress(run.prompt_tokens)
            if speculation is not None:
                run.drafted_tokens = decoder.drafted_tokens
                run.draft_counts = speculation.counts
            if token.id in tokenizer.stop_ids:
                return FinishReason.STOP
            run.accepted_tokens += token.drafted
            yield from run.add_token(token.id, tokenizer.piece(token.id), token.drafted)
            if speculation is not None:
                speculation.content = run.content.kind
            if run.stopped:
                return FinishReason.STOP
            if run.generated_tokens >= limit:
                return FinishReason.LENGTH
            if cancelled():
                return FinishReason.CANCELLED
        raise AssertionError("a decoder goes on until it is stopped")

    def _prefill(
        self, run: GenerationRun, cache: KVCache, cancelled: Cancelled
    ) -> Generator[GenerationEvent, None, bool]:
        """Read the prompt but its last token; returns True where it was cancelled."""
        models, _ = self._loaded()
        prompt_ids, length = run.token_ids[:-1], self._chunk_length
        while (start := len(cache.token_ids)) < len(prompt_ids):
            started_s = time.perf_counter()
            chunk = list(prompt_ids[start : start + length.tokens])
            feed_chunk(models.target.network, cache, chunk)
            chunk_s = time.perf_counter() - started_s
            self._speculation.costs.note_prefill(len(chunk), chunk_s)
            length.record(len(chunk), chunk_s)
            yield run.prefill_progress(len(cache.token_ids))
            if cancelled():
                return True
        cache.mark()
        return False

    def _drafting(
        self,
        request: GenerationRequest,
        caches: TurnCaches,
        prompt_ids: list[int],
        cancelled: Cancelled,
    ) -> tuple[Speculation | None, Drafter | None]:
        """What drafts in this turn; nothing where that is not wanted."""
        models, _ = self._loaded()
        if not request.use_draft or not self._drafts_pay:
            return None, None
        drafter = None
        if models.draft is not None and caches.draft is not None:
            shared_ids = min(models.target.vocabulary_size, models.draft.vocabulary_size)
            drafter = Drafter(
                models.draft.network,
                caches.draft,
                shared_ids,
                self._chunk_length.tokens,
                cancelled,
            )
        record = self._speculation
        file_lookup = record.file_lookup(request.references, models.target.tokenizer.encode)
        free_depth = caches.target.free_depth
        return Speculation(record, prompt_ids, file_lookup, drafter, free_depth=free_depth), drafter

    def _loaded(self) -> tuple[ModelPair, CacheStore]:
        if self._models is None or self._store is None:
            raise GenerationError("No model is loaded.", "Choose a model first.")
        return self._models, self._store

    def _empty(self) -> None:
        self._models = self._store = None
        gc.collect()
        mx.clear_cache()
        give_back_heap()


def _open_sampler(request: GenerationRequest, model: LoadedModel) -> Sampler:
    sampling, tokenizer = request.sampling, model.tokenizer
    logit_bias = resolve_logit_bias(sampling.logit_bias, tokenizer.encode, model.vocabulary_size)
    form = None
    if request.constraint is not None:
        from engines.grammar.answer_form import AnswerForm

        form = AnswerForm(request.constraint, tokenizer.grammar_vocabulary, request)
    return Sampler(sampling, logit_bias, form)


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
