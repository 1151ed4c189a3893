"""Runs GGUF models with llama.cpp, on the low-level functions of llama-cpp-python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engines.base import Cancelled
from engines.errors import ContextWindowExceeded, EngineError, GenerationError
from engines.events import GenerationEvent, LoadProgress
from engines.generation import TEXT_EVERY_S, GenerationRun
from engines.heap import give_back_heap
from engines.kv.shelf import draft_shelf_for, shelf_for
from engines.llama_cpp.context import CHUNK_TOKENS, MAX_OUTPUT_ROWS
from engines.llama_cpp.decode import DecodeLoop
from engines.llama_cpp.devices import FreeMemory, free_memory
from engines.llama_cpp.library import native_log
from engines.llama_cpp.loading import (
    NO_WAY_BACK,
    LoadedModel,
    check_settings,
    open_drafter,
    open_head,
    open_model,
)
from engines.llama_cpp.prefill import prefill
from engines.llama_cpp.sampling import SamplerChain
from engines.llama_cpp.turn_memory import make_room
from engines.llama_cpp.vocabulary import Vocabulary
from engines.logit_bias import resolve_logit_bias
from engines.prefill_chunk import ChunkLength
from engines.speculative.turn import Speculation
from engines.types import GenerationRequest, LoadRequest, ModelInfo

_LIBRARIES = ("llama-cpp-python",)
_PASSES_AHEAD = 4
"""Of a prompt, where a device computes them: each is prepared while the one before is computed."""
_LEAVING_S = 1.0
"""To write KV caches at the end; most are on disk by then."""


class LlamaCppEngine:
    """One GGUF model, and one draft model at most.

    Args:
        kv_folder: Where KV caches outlive the process; None lets them end with it.
        find_free_memory: Says how much there is; tests pass their own.
    """

    def __init__(
        self,
        kv_folder: Path | None = None,
        find_free_memory: Callable[[], FreeMemory] = free_memory,
    ) -> None:
        self._kv_folder = kv_folder
        self._find_free_memory = find_free_memory
        self._loaded: LoadedModel | None = None
        self._chunk_length = ChunkLength(CHUNK_TOKENS)

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        self.close()
        check_settings(request)
        loaded = open_model(request, self._find_free_memory(), report, cancelled)
        self._loaded = loaded
        passes = _PASSES_AHEAD if loaded.cache.context.computes_aside else 1
        self._chunk_length = ChunkLength(passes * CHUNK_TOKENS)
        if not loaded.can_draft:
            loaded.info = replace(loaded.info, draft_refused=NO_WAY_BACK)
        elif request.draft_model is not None or loaded.head_bytes:
            try:
                loaded.use_drafter(
                    open_drafter(loaded, request, report, cancelled)
                    if request.draft_model is not None
                    else open_head(loaded)
                )
            except EngineError as error:  # no reason to do without the model itself
                loaded.info = replace(loaded.info, draft_refused=error.message)
        loaded.speculation.depth_max = request.draft_depth
        self._open_shelves(loaded, request)
        return loaded.info

    def generate(
        self, request: GenerationRequest, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        started_s = time.perf_counter()
        loaded = self._require_loaded()
        native_log.clear()  # a pass that fails is to give its own reason
        prompt_ids, counts = loaded.model.vocabulary.encode(request.prompt)
        limit_tokens = _limit_tokens(request, loaded.info, len(prompt_ids))
        run = GenerationRun(request, loaded.info, counts, TEXT_EVERY_S)
        run.started_s = started_s
        chain = _open_chain(request, loaded.model.vocabulary, prompt_ids)
        cache, drafter = loaded.cache, loaded.drafter if request.use_draft else None
        try:
            run.memory_note = make_room(request.cache_key, loaded.caches, self._find_free_memory)
            if drafter is not None:
                drafter.begin(request.cache_key, prompt_ids, cancelled)
            cached_tokens = cache.switch(request.cache_key, prompt_ids)
            run.cache_reuse = cache.reuse
            yield run.start_prefill(prompt_ids, cached_tokens)
            reason = yield from prefill(
                run, cache, drafter, loaded.speculation, self._chunk_length, cancelled
            )
            if reason is None:
                speculation = _speculation(loaded, request, prompt_ids)
                reason = yield from DecodeLoop(
                    run, cache, loaded.model.vocabulary, chain, limit_tokens, cancelled, speculation
                ).chunks()
            run.plain_decode_tps = loaded.speculation.costs.plain_tps
            cache.keep_prefix_of(run.token_ids)
            yield from run.finish(reason)
        except Exception:
            self.forget(request.cache_key)
            raise
        finally:
            cache.keep_prefix_of(run.token_ids)
            cache.mark()
            chain.close()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        vocabulary = self._require_loaded().model.vocabulary
        return [len(vocabulary.tokenize(text)) for text in texts]

    def forget(self, cache_key: str) -> None:
        if self._loaded is not None:
            for cache in self._loaded.caches:
                cache.forget(cache_key)

    def save_caches(self, gives_way: Cancelled) -> None:
        self._save_caches(gives_way, is_leaving=False)

    def memory_bytes(self) -> int:
        return self._loaded.memory_bytes if self._loaded is not None else 0

    def close(self) -> None:
        if self._loaded is not None:
            end_s = time.perf_counter() + _LEAVING_S
            self._save_caches(lambda: time.perf_counter() > end_s, is_leaving=True)
            loaded, self._loaded = self._loaded, None
            loaded.close()
            give_back_heap()

    @property
    def loaded(self) -> LoadedModel:
        """The loaded model, for a comparison with the library's own loop."""
        return self._require_loaded()

    def _open_shelves(self, loaded: LoadedModel, request: LoadRequest) -> None:
        loaded.cache.disk = shelf_for(self._kv_folder, request, loaded.info, _LIBRARIES)
        if loaded.drafter is not None:
            loaded.drafter.cache.disk = draft_shelf_for(
                self._kv_folder, request, loaded.info, _LIBRARIES
            )

    def _save_caches(self, gives_way: Cancelled, is_leaving: bool) -> None:
        for cache in self._loaded.caches if self._loaded is not None else ():
            cache.save(gives_way, is_leaving)

    def _require_loaded(self) -> LoadedModel:
        if self._loaded is None:
            raise GenerationError("No model is loaded.", "Choose a model.")
        return self._loaded


def _open_chain(
    request: GenerationRequest, vocabulary: Vocabulary, prompt_ids: Sequence[int]
) -> SamplerChain:
    sampling = request.sampling
    logit_bias = resolve_logit_bias(sampling.logit_bias, vocabulary.tokenize, vocabulary.size)
    form = None
    if request.constraint is not None:
        from engines.grammar.answer_form import AnswerForm

        form = AnswerForm(request.constraint, vocabulary.grammar_vocabulary(), request)
    return SamplerChain(sampling, vocabulary.size, prompt_ids, logit_bias, form)


def _speculation(
    loaded: LoadedModel, request: GenerationRequest, prompt_ids: Sequence[int]
) -> Speculation | None:
    """Drafts for this turn; None where they are not wanted, or could not be taken back."""
    if not request.use_draft or not loaded.can_draft:
        return None
    record = loaded.speculation
    file_lookup = record.file_lookup(request.references, loaded.model.vocabulary.tokenize)
    free_depth = loaded.cache.rollback_tokens
    return Speculation(record, prompt_ids, file_lookup, loaded.drafter, MAX_OUTPUT_ROWS, free_depth)


def _limit_tokens(request: GenerationRequest, info: ModelInfo, prompt_tokens: int) -> int:
    """Tokens to generate at most."""
    if not prompt_tokens:
        raise GenerationError("The prompt is empty.", "Write something.")
    room_tokens = info.context_window_tokens - prompt_tokens
    if room_tokens <= 0:
        raise ContextWindowExceeded(prompt_tokens, info.context_window_tokens)
    return room_tokens if request.max_tokens is None else min(request.max_tokens, room_tokens)
