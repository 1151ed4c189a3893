"""Decode and prefill at growing context lengths, for every KV cache type."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engines.bench.figures import Spread
from engines.bench.filler_text import filler_ids
from engines.bench.time_limit import TimeLimit
from engines.bench.workbench import Workbench
from engines.errors import EngineError
from engines.types import LoadRequest

CONTEXT_TOKENS = (512, 1024, 2048, 4096, 8192, 16384, 32768)
KV_TYPES = ("f16", "q8_0", "q4_0")
Report = Callable[[str], None]
OpenBench = Callable[[LoadRequest], Workbench]


@dataclass(frozen=True, slots=True)
class ContextRow:
    """Speeds with `context_tokens` of context already there.

    Args:
        kv_cache_bytes: In use at that length.
    """

    kv_type: str
    context_tokens: int
    decode: Spread | None
    prefill: Spread | None
    effective: Spread | None
    kv_cache_bytes: int

    def to_json(self) -> dict[str, Any]:
        return {
            "kv_type": self.kv_type,
            "context_tokens": self.context_tokens,
            "decode_tps": self.decode.median if self.decode else None,
            "prefill_tps": self.prefill.median if self.prefill else None,
            "effective_tps": self.effective.median if self.effective else None,
            "decode_range_tps": [self.decode.low, self.decode.high] if self.decode else None,
            "kv_cache_bytes": self.kv_cache_bytes,
        }


@dataclass(frozen=True, slots=True)
class ContextResult:
    """`refused` says why a KV cache type has no rows."""

    rows: tuple[ContextRow, ...]
    refused: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        return {"context": [row.to_json() for row in self.rows], "refused_kv_types": self.refused}


def measure_context(
    request: LoadRequest,
    tokens: int,
    repeat: int,
    time_limit_s: float,
    kv_types: Sequence[str] = KV_TYPES,
    open_bench: OpenBench = Workbench,
    report: Report = lambda line: None,
) -> ContextResult:
    """Load the model once for every KV cache type and sweep the context length."""
    rows, refused = list[ContextRow](), dict[str, str]()
    for kv_type in kv_types:
        try:
            bench = open_bench(replace(request, kv_type=kv_type))
        except EngineError as error:
            refused[kv_type] = error.message
            continue
        with bench:
            rows += _sweep(bench, kv_type, tokens, repeat, time_limit_s / len(kv_types), report)
    return ContextResult(tuple(rows), refused)


def _sweep(
    bench: Workbench,
    kv_type: str,
    tokens: int,
    repeat: int,
    time_limit_s: float,
    report: Report,
) -> list[ContextRow]:
    limit, rows = TimeLimit(time_limit_s), list[ContextRow]()
    bench.run_ours(filler_ids(bench.encode, 64, seed=0), 8)
    for context_tokens in CONTEXT_TOKENS:
        room_tokens = bench.info.context_window_tokens - tokens
        length = min(context_tokens, room_tokens)
        work = repeat * (length + tokens)
        if length < context_tokens * 0.9 or not limit.allows(work):
            break
        started_s = time.monotonic()
        row = _measure_row(bench, kv_type, length, tokens, repeat)
        limit.note(work, time.monotonic() - started_s)
        report(f"{kv_type}, {length:,} tokens: {row.decode.median if row.decode else 0:.1f} tok/s")
        rows.append(row)
    return rows


def _measure_row(
    bench: Workbench, kv_type: str, length: int, tokens: int, repeat: int
) -> ContextRow:
    prompts = (filler_ids(bench.encode, length, seed=length + run) for run in range(repeat))
    runs = [bench.run_ours(prompt_ids, tokens) for prompt_ids in prompts]
    return ContextRow(
        kv_type,
        length,
        Spread.over(run.decode_tps for run in runs),
        Spread.over(run.prefill_tps for run in runs),
        Spread.over(run.effective_tps for run in runs),
        bench.info.kv_cache_bytes(length),
    )
