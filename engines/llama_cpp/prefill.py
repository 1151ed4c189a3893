"""Reads a prompt in chunks short enough that cancelling is prompt on a slow machine too."""

from __future__ import annotations

import time
from collections.abc import Generator

from engines.base import Cancelled
from engines.events import FinishReason, PrefillProgress
from engines.generation import GenerationRun
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.mtp import HeadDrafter
from engines.llama_cpp.speculative import Drafter
from engines.prefill_chunk import ChunkLength
from engines.speculative.record import SpeculationRecord


def prefill(
    run: GenerationRun,
    cache: SequenceCache,
    drafter: Drafter | HeadDrafter | None,
    record: SpeculationRecord,
    length: ChunkLength,
    cancelled: Cancelled,
) -> Generator[PrefillProgress, None, FinishReason | None]:
    """Read what `cache` lacks of the prompt; returns a reason only where it was cancelled.

    The draft model reads along while drafting pays, so that the answer does not wait for it.
    """
    prompt_ids = list(run.token_ids)
    mark = 0 if cache.can_rewind else len(prompt_ids) - 1  # for another answer to the same prompt
    while (start := len(cache.token_ids)) < len(prompt_ids):
        if cancelled():
            return FinishReason.CANCELLED
        started_s = time.perf_counter()
        end = min(start + length.tokens, mark if start < mark else len(prompt_ids))
        cache.decode(prompt_ids[start:end], 1 if end == len(prompt_ids) else 0)
        cache.context.wait()
        if end == mark:
            cache.mark()
        record.costs.note_prefill(end - start, time.perf_counter() - started_s)
        if drafter is not None and record.reads_along:
            drafter.follow(prompt_ids[:end])
        length.record(end - start, time.perf_counter() - started_s)
        yield run.prefill_progress(end)
    return FinishReason.CANCELLED if cancelled() else None
