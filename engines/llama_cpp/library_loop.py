"""A bare loop over llama.cpp's C functions, as its own tools have it, and those tools.

The tools are not installed with the Python package, so the loop is written out here: one batch,
`llama_decode`, the C sampler, and nothing else, as in llama.cpp's `examples/simple`. It runs in our
engine's own context: two contexts with the same settings differ in speed by up to a tenth, by
where their buffers come to lie. Where the tools were built (`make bench-tools`), they are run too.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.bench.library_loop import LoopTimes
from engines.errors import GenerationError
from engines.llama_cpp.context import CHUNK_TOKENS, context_params
from engines.llama_cpp.engine import LlamaCppEngine
from engines.llama_cpp.library import llama
from engines.llama_cpp.library_tools import BENCH, SPECULATIVE, LlamaCppTools
from engines.llama_cpp.loading import LoadedModel
from engines.model_files.locate import locate_model
from engines.types import LoadRequest

_CACHE_KEY = "library-loop"
_PASSES = 5


class LlamaCppLibraryLoop:
    """Greedy decode in the context that our engine has opened, while our engine rests."""

    name = "llama.cpp C API loop"

    def __init__(self, loaded: LoadedModel, tools: LlamaCppTools | None = None) -> None:
        self.tool_name = BENCH if tools else ""
        self.speculative_name = SPECULATIVE if tools and tools.draft_model else ""
        vocabulary = loaded.model.vocabulary
        self.end_ids = tuple(filter(vocabulary.ends_generation, range(vocabulary.size)))
        self._tools = tools
        self._loaded = loaded
        self._sampler = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        llama.llama_sampler_chain_add(self._sampler, llama.llama_sampler_init_greedy())

    def encode(self, text: str) -> list[int]:
        return self._loaded.model.vocabulary.tokenize(text)

    def generate(self, prompt_ids: Sequence[int], max_tokens: int) -> LoopTimes:
        with self._borrowed_context() as context:
            return self._decode(context, prompt_ids, max_tokens)

    def _decode(self, context: Any, prompt_ids: Sequence[int], max_tokens: int) -> LoopTimes:
        decode, sample, sampler = llama.llama_decode, llama.llama_sampler_sample, self._sampler
        token_ids: list[int] = []
        started_s = time.perf_counter()
        _prefill(context, prompt_ids)
        token = (ctypes.c_int32 * 1)(sample(sampler, context, -1))
        first_s = last_s = time.perf_counter() - started_s
        token_ids.append(token[0])
        batch = llama.llama_batch_get_one(token, 1)
        while len(token_ids) < max_tokens:
            if decode(context, batch):
                raise GenerationError("llama.cpp failed in its own loop.", "Try fewer tokens.")
            token[0] = sample(sampler, context, -1)
            token_ids.append(token[0])
            last_s = time.perf_counter() - started_s
        return LoopTimes(tuple(token_ids), first_s, last_s)

    def generate_speculatively(self, prompt_ids: Sequence[int], max_tokens: int) -> LoopTimes:
        """By llama.cpp's example program, in a process of its own."""
        assert self._tools is not None
        vocabulary = self._loaded.model.vocabulary
        prompt = b"".join(map(vocabulary.piece, prompt_ids)).decode("utf-8", "replace")
        prompt = prompt.removeprefix(vocabulary.bos_text)  # which the program adds itself
        return self._tools.speculate(prompt, max_tokens)

    def tool_decode_tps(self, tokens: int) -> float:
        assert self._tools is not None
        return self._tools.decode_tps(tokens)

    def unlearn(self) -> None:
        self._loaded.speculation.unlearn()

    def pass_s(self, rows: int, context_tokens: int) -> float:
        length = max(1, context_tokens)
        context = self._open_context(length + rows)
        memory, times_s = llama.llama_get_memory(context), list[float]()
        batch = llama.llama_batch_init(rows, 0, 1)
        try:
            _prefill(context, [0] * length)
            for _ in range(_PASSES + 1):
                _fill(batch, rows, length)
                started_s = time.perf_counter()
                llama.llama_decode(context, batch)
                llama.llama_synchronize(context)
                times_s.append(time.perf_counter() - started_s)
                llama.llama_memory_seq_rm(memory, 0, length, -1)
        finally:
            llama.llama_batch_free(batch)
            llama.llama_free(context)
        return statistics.median(times_s[1:])

    def turn_s(self, prompt_tokens: int, context_tokens: int) -> float:
        times_s = []
        with self._borrowed_context() as context:
            memory = llama.llama_get_memory(context)
            _prefill(context, [0] * context_tokens)
            for _ in range(_PASSES + 1):
                started_s = time.perf_counter()
                _prefill(context, [0] * prompt_tokens)
                llama.llama_sampler_sample(self._sampler, context, -1)
                times_s.append(time.perf_counter() - started_s)
                llama.llama_memory_seq_rm(memory, 0, context_tokens, -1)
        return statistics.median(times_s[1:])

    def close(self) -> None:
        llama.llama_sampler_free(self._sampler)

    @contextmanager
    def _borrowed_context(self) -> Iterator[Any]:
        """Our engine's context, empty; what a conversation had in it is parked first."""
        cache = self._loaded.cache
        cache.switch(_CACHE_KEY, [0])
        try:
            yield cache.context.handle
        finally:
            cache.forget(_CACHE_KEY)

    def _open_context(self, window_tokens: int) -> Any:
        """A context of its own, in which every row of a pass may have an output."""
        threads = self._loaded.cache.context.thread_counts
        params = context_params(-(-window_tokens // 256) * 256, self._loaded.info.kv_type)
        params.n_outputs_max = CHUNK_TOKENS
        params.n_threads, params.n_threads_batch = threads.decode, threads.prefill
        context = llama.llama_init_from_model(self._loaded.model.handle, params)
        if not context:
            raise GenerationError("There is no memory for a second context.", "Close something.")
        return context


def open_loop(engine: Any, request: LoadRequest, tools: Path | None = None) -> LlamaCppLibraryLoop:
    assert isinstance(engine, LlamaCppEngine)
    loaded = engine.loaded
    if tools is None:
        return LlamaCppLibraryLoop(loaded)
    has_draft = request.draft_model is not None and loaded.drafter is not None
    found = LlamaCppTools(
        tools.expanduser().resolve(),
        locate_model(request.model),
        locate_model(request.draft_model) if has_draft and request.draft_model else None,
        loaded.cache.context.thread_counts,
        loaded.info.kv_type,
    )
    return LlamaCppLibraryLoop(loaded, found)


def _prefill(context: Any, prompt_ids: Sequence[int]) -> None:
    for start in range(0, len(prompt_ids), CHUNK_TOKENS):
        chunk = prompt_ids[start : start + CHUNK_TOKENS]
        tokens = (ctypes.c_int32 * len(chunk))(*chunk)
        if llama.llama_decode(context, llama.llama_batch_get_one(tokens, len(chunk))):
            raise GenerationError("llama.cpp failed in its own loop.", "Try a shorter prompt.")
    llama.llama_synchronize(context)


def _fill(batch: Any, rows: int, position: int) -> None:
    batch.n_tokens = rows
    for row in range(rows):
        batch.token[row], batch.pos[row] = 0, position + row
        batch.n_seq_id[row], batch.seq_id[row][0] = 1, 0
        batch.logits[row] = 1
