"""Decode: our loop beside the library's, on the same weights and prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engines.bench.alternation import in_turns
from engines.bench.figures import Run, Spread, median, paired_ratios, ratio
from engines.bench.filler_text import OPENING
from engines.bench.workbench import Workbench
from engines.roofline import decode_ceiling_tps

WARM_UP_TOKENS = 8
ENOUGH_S, FEWEST_RUNS, MOST_RUNS = 20.0, 5, 25
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """Runs of both loops, pair by pair in the order they were made.

    Args:
        tool_tps: Speeds by the library's own program, one for each pair; empty without one.
    """

    ours: tuple[Run, ...]
    library: tuple[Run, ...]
    library_name: str
    ceiling_tps: float | None
    tool_name: str = ""
    tool_tps: tuple[float, ...] = ()

    @property
    def ratio_to_library(self) -> float | None:
        """Median of the ratios of neighboring runs."""
        return median(paired_ratios(_speeds(self.ours), _speeds(self.library)))

    def to_json(self) -> dict[str, Any]:
        ours, library = Spread.over(_speeds(self.ours)), Spread.over(_speeds(self.library))
        ours_tps = ours.median if ours else None
        return {
            "ratio_to_library": self.ratio_to_library,
            "ours_tps": ours_tps,
            "library_tps": library.median if library else None,
            "library": self.library_name,
            "tool": self.tool_name or None,
            "tool_tps": median(self.tool_tps),
            "ratio_to_tool": median(paired_ratios(_speeds(self.ours), self.tool_tps))
            if self.tool_tps
            else None,
            "decode_tps": ours_tps,
            "effective_tps": median(run.effective_tps for run in self.ours),
            "bandwidth_ceiling_tps": self.ceiling_tps,
            "share_of_ceiling": ratio(ours_tps, self.ceiling_tps),
            "ours_range_tps": [ours.low, ours.high] if ours else None,
            "library_range_tps": [library.low, library.high] if library else None,
            "ratio_of_best": ratio(ours.high, library.high) if ours and library else None,
            "ratios": paired_ratios(_speeds(self.ours), _speeds(self.library)),
            "ours_cpu_s": median(run.cpu_s for run in self.ours),
            "library_cpu_s": median(run.cpu_s for run in self.library),
            "generated_tokens": len(self.ours[0].token_ids),
            "same_text": self.ours[0].token_ids == self.library[0].token_ids,
            "repeat": len(self.ours),
        }


def measure_decode(
    bench: Workbench,
    tokens: int,
    repeat: int | None = None,
    memory_bandwidth_bytes_per_s: float | None = None,
    report: Report = lambda line: None,
) -> DecodeResult:
    """Decode `tokens` greedily, `repeat` times with each loop.

    A model that ends earlier is measured over what it writes; the library's loop then writes as
    many tokens as ours.

    Args:
        repeat: None takes as many runs as fit into `ENOUGH_S`, within `FEWEST_RUNS` and
            `MOST_RUNS`: on a machine with other work, many short pairs tell more than a few.
    """
    prompt_ids = bench.encode(OPENING)
    report("warming up")
    bench.run_library(prompt_ids, WARM_UP_TOKENS)
    first = bench.run_ours(prompt_ids, tokens)
    length = len(first.token_ids)

    tool_tps: list[float] = []

    def note(name: str, run: Run) -> None:
        report(f"{name}: {run.decode_tps or 0:.1f} tok/s")

    def run_library() -> Run:
        if bench.loop.tool_name:
            tool_tps.append(bench.loop.tool_decode_tps(length))
        return bench.run_library(prompt_ids, length)

    ours, library = in_turns(
        repeat or _enough_runs(first),
        lambda: bench.run_ours(prompt_ids, length),
        run_library,
        note,
    )
    ceiling_tps = (
        decode_ceiling_tps(memory_bandwidth_bytes_per_s, bench.info, len(prompt_ids) + length // 2)
        if memory_bandwidth_bytes_per_s
        else None
    )
    loop = bench.loop
    return DecodeResult(
        tuple(ours), tuple(library), loop.name, ceiling_tps, loop.tool_name, tuple(tool_tps)
    )


def _enough_runs(first: Run) -> int:
    pair_s = 2 * (first.ttft_s + first.decode_s)
    return max(FEWEST_RUNS, min(MOST_RUNS, int(ENOUGH_S / max(pair_s, 1e-3))))


def _speeds(runs: tuple[Run, ...]) -> list[float | None]:
    return [run.decode_tps for run in runs]
