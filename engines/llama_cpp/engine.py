"""Runs GGUF models with llama.cpp, on the low-level functions of llama-cpp-python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from engines.base import Cancelled
from engines.errors import ContextWindowExceeded, EngineError, GenerationError
from engines.events import GenerationEvent, LoadProgress
from engines.generation import GenerationRun
from engines.llama_cpp.decode import DecodeLoop
from engines.llama_cpp.loading import LoadedModel, check_settings, open_drafter, open_model
from engines.llama_cpp.prefill import ChunkLength, prefill
from engines.llama_cpp.sampling import SamplerChain
from engines.types import GenerationRequest, LoadRequest, ModelInfo


class LlamaCppEngine:
    """One GGUF model, and one draft model at most."""

    def __init__(self) -> None:
        self._loaded: LoadedModel | None = None
        self._chunk_length = ChunkLength()

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        self.close()
        check_settings(request)
        loaded = open_model(request, report, cancelled)
        self._loaded = loaded
        if request.draft_model is not None:
            try:
                loaded.drafter = open_drafter(loaded, request, report, cancelled)
                loaded.info = replace(loaded.info, draft_name=loaded.drafter.name)
            except EngineError as error:  # no reason to do without the model itself
                loaded.info = replace(loaded.info, draft_refused=error.message)
        return loaded.info

    def generate(
        self, request: GenerationRequest, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        started_s = time.perf_counter()
        loaded = self._require_loaded()
        prompt_ids, counts = loaded.model.vocabulary.encode(request.prompt)
        limit_tokens = _limit_tokens(request, loaded.info, len(prompt_ids))
        run = GenerationRun(request, loaded.info, counts)
        run.started_s = started_s
        chain = SamplerChain(request.sampling, loaded.model.vocabulary.size, prompt_ids)
        cache, drafter = loaded.cache, loaded.drafter if request.use_draft else None
        try:
            if drafter is not None:
                drafter.cache.switch(request.cache_key, prompt_ids)
            yield run.start_prefill(prompt_ids, cache.switch(request.cache_key, prompt_ids))
            reason = yield from prefill(run, cache, drafter, self._chunk_length, cancelled)
            if reason is None:
                reason = yield from DecodeLoop(
                    run, cache, loaded.model.vocabulary, chain, limit_tokens, cancelled, drafter
                ).chunks()
            cache.keep_prefix_of(run.token_ids)
            yield from run.finish(reason)
        except Exception:
            self.forget(request.cache_key)
            raise
        finally:
            cache.keep_prefix_of(run.token_ids)
            chain.close()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        vocabulary = self._require_loaded().model.vocabulary
        return [len(vocabulary.tokenize(text)) for text in texts]

    def forget(self, cache_key: str) -> None:
        if self._loaded is not None:
            for cache in self._loaded.caches:
                cache.forget(cache_key)

    def memory_bytes(self) -> int:
        return self._loaded.memory_bytes if self._loaded is not None else 0

    def close(self) -> None:
        if self._loaded is not None:
            loaded, self._loaded = self._loaded, None
            loaded.close()

    def _require_loaded(self) -> LoadedModel:
        if self._loaded is None:
            raise GenerationError("No model is loaded.", "Choose a model.")
        return self._loaded


def _limit_tokens(request: GenerationRequest, info: ModelInfo, prompt_tokens: int) -> int:
    """Tokens to generate at most."""
    if not prompt_tokens:
        raise GenerationError("The prompt is empty.", "Write something.")
    room_tokens = info.context_window_tokens - prompt_tokens
    if room_tokens <= 0:
        raise ContextWindowExceeded(prompt_tokens, info.context_window_tokens)
    return room_tokens if request.max_tokens is None else min(request.max_tokens, room_tokens)
