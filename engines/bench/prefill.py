"""Prefill at growing prompt lengths: ours beside the library's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engines.bench.alternation import in_turns
from engines.bench.figures import Run, Spread, median, paired_ratios
from engines.bench.filler_text import filler_ids
from engines.bench.time_limit import TimeLimit
from engines.bench.workbench import Workbench

PROMPT_TOKENS = (512, 1024, 2048, 4096, 8192)
_ROOM_TOKENS = 8
_QUICK_S = 0.1
"""For 256 tokens: every length is then run before it is measured."""
_WARM_UPS = 2
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PrefillRow:
    """Pairs of runs at one prompt length."""

    prompt_tokens: int
    ours: tuple[Run, ...]
    library: tuple[Run, ...]

    @property
    def ratio_to_library(self) -> float | None:
        return median(paired_ratios(_speeds(self.ours), _speeds(self.library)))

    def to_json(self) -> dict[str, Any]:
        ours, library = Spread.over(_speeds(self.ours)), Spread.over(_speeds(self.library))
        return {
            "prompt_tokens": self.prompt_tokens,
            "ours_tps": ours.median if ours else None,
            "library_tps": library.median if library else None,
            "ratio_to_library": self.ratio_to_library,
            "ours_range_tps": [ours.low, ours.high] if ours else None,
            "library_range_tps": [library.low, library.high] if library else None,
            "repeat": len(self.ours),
        }


@dataclass(frozen=True, slots=True)
class PrefillResult:
    rows: tuple[PrefillRow, ...]
    skipped_tokens: tuple[int, ...]
    library_name: str

    def to_json(self) -> dict[str, Any]:
        return {
            "ratio_to_library": median(row.ratio_to_library for row in self.rows),
            "library": self.library_name,
            "prefill": [row.to_json() for row in self.rows],
            "skipped_prompt_tokens": list(self.skipped_tokens),
        }


def measure_prefill(
    bench: Workbench,
    repeat: int,
    time_limit_s: float,
    report: Report = lambda line: None,
) -> PrefillResult:
    """Seconds until the first token, for every prompt length that window and time allow.

    A length that the window just misses is measured a few tokens shorter.
    """
    window_tokens = bench.info.context_window_tokens - _ROOM_TOKENS
    limit = TimeLimit(time_limit_s)
    report("warming up")
    warm_up = filler_ids(bench.encode, min(256, window_tokens), seed=0)
    for run in (bench.run_ours, bench.run_library):
        run(warm_up, 1)
    is_quick = bench.run_library(warm_up, 1).ttft_s < _QUICK_S
    rows, skipped = list[PrefillRow](), list[int]()
    for wanted_tokens in PROMPT_TOKENS:
        tokens = min(wanted_tokens, window_tokens)
        is_within = tokens > wanted_tokens * 0.9
        if not is_within or not limit.allows(2 * repeat * tokens):
            skipped.append(wanted_tokens)
            continue
        started_s = time.monotonic()
        rows.append(_measure_row(bench, tokens, repeat, is_quick, report))
        limit.note(2 * repeat * tokens, time.monotonic() - started_s)
    return PrefillResult(tuple(rows), tuple(skipped), bench.loop.name)


def _measure_row(
    bench: Workbench, tokens: int, repeat: int, is_quick: bool, report: Report
) -> PrefillRow:
    def note(name: str, run: Run) -> None:
        report(f"{tokens:,} tokens, {name}: {run.prefill_tps or 0:.0f} tok/s")

    prompt_ids = filler_ids(bench.encode, tokens, seed=tokens)
    if is_quick:  # a GPU prepares its kernels the first times that it sees a size
        for _ in range(_WARM_UPS):
            bench.run_library(prompt_ids, 1)
            bench.run_ours(prompt_ids, 1)
    ours, library = in_turns(
        repeat,
        lambda: bench.run_ours(prompt_ids, 1),
        lambda: bench.run_library(prompt_ids, 1),
        note,
    )
    return PrefillRow(tokens, tuple(ours), tuple(library))


def _speeds(runs: tuple[Run, ...]) -> list[float | None]:
    return [run.prefill_tps for run in runs]
