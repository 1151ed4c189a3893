"""Speculation: plain decode, our drafts and the library's own speculative loop in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engines.bench.figures import Run, Spread, median, paired_ratios, ratio
from engines.bench.prompts import chat_ids, prompt_classes
from engines.bench.workbench import Workbench

ROW_COUNTS = (1, 2, 4, 8, 16)
_ROW_CONTEXT_TOKENS = 128
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """Runs over the prompts of one class, side by side; `library` is empty where it has none."""

    plain: tuple[Run, ...]
    ours: tuple[Run, ...]
    library: tuple[Run, ...]

    def to_json(self) -> dict[str, Any]:
        drafted = sum(run.drafted_tokens for run in self.ours)
        plain, ours, library = map(_spread, (self.plain, self.ours, self.library))
        differing = [
            _first_difference(run.token_ids, plain.token_ids)
            for run, plain in zip(self.ours, self.plain, strict=True)
        ]
        return {
            "plain_tps": plain.median if plain else None,
            "ours_tps": ours.median if ours else None,
            "library_tps": library.median if library else None,
            "net_gain": median(paired_ratios(_speeds(self.ours), _speeds(self.plain))),
            "library_net_gain": median(paired_ratios(_speeds(self.library), _speeds(self.plain)))
            if self.library
            else None,
            "acceptance": ratio(sum(run.accepted_tokens for run in self.ours), drafted),
            "drafted_tokens": drafted,
            "identical": all(index is None for index in differing),
            "differing_runs": sum(index is not None for index in differing),
            "first_difference": min((i for i in differing if i is not None), default=None),
            "generated_tokens": sum(len(run.token_ids) for run in self.ours),
        }


@dataclass(frozen=True, slots=True)
class SpeculativeResult:
    """Args:
    row_costs: Time of a verifying pass by its rows, relative to one row.
    note: Why the library has no figure, or our engine no draft model.
    """

    classes: dict[str, ClassResult]
    library_name: str
    row_costs: dict[int, float]
    note: str

    def to_json(self) -> dict[str, Any]:
        classes = {name: result.to_json() for name, result in self.classes.items()}
        return {
            "prompt_classes": classes,
            "identical": all(result["identical"] for result in classes.values()),
            "net_gain": median(result["net_gain"] for result in classes.values()),
            "library": self.library_name or None,
            "row_costs": {str(rows): cost for rows, cost in self.row_costs.items()},
            "note": self.note,
        }


def measure_speculative(
    bench: Workbench, tokens: int, repeat: int, report: Report = lambda line: None
) -> SpeculativeResult:
    """Greedy answers of at most `tokens` tokens to every prompt of every class."""
    report("timing passes of several rows")
    row_costs = measure_row_costs(bench, ROW_COUNTS, _ROW_CONTEXT_TOKENS)
    _warm_up(bench)
    results = {}
    for name, prompts in prompt_classes().items():
        questions = [chat_ids(bench.encode, bench.info, prompt) for prompt in prompts]
        results[name] = _measure_class(bench, questions * repeat, tokens)
        figures = results[name].to_json()
        report(f"{name}: plain {figures['plain_tps']:.0f}, ours {figures['ours_tps']:.0f} tok/s")
    return SpeculativeResult(results, bench.loop.speculative_name, row_costs, _note(bench))


def measure_row_costs(
    bench: Workbench, row_counts: Sequence[int], context_tokens: int
) -> dict[int, float]:
    """Seconds of a pass by its rows ÷ the seconds of a pass of one row."""
    one_row_s = bench.time_rows(1, context_tokens)
    return {
        rows: 1.0 if rows == 1 else bench.time_rows(rows, context_tokens) / one_row_s
        for rows in row_counts
    }


def _measure_class(bench: Workbench, prompts: list[list[int]], tokens: int) -> ClassResult:
    plain, ours, library = list[Run](), list[Run](), list[Run]()
    for number, prompt_ids in enumerate(prompts):
        for use_draft in (False, True) if number % 2 == 0 else (True, False):
            run = bench.run_ours(prompt_ids, tokens, use_draft=use_draft)
            (ours if use_draft else plain).append(run)
        if bench.loop.speculative_name:
            length = len(plain[-1].token_ids)
            library.append(bench.run_library(prompt_ids, length, use_draft=True))
    return ClassResult(tuple(plain), tuple(ours), tuple(library))


def _warm_up(bench: Workbench) -> None:
    """One answer with drafts, after which the depth is chosen by what was measured here."""
    first = next(iter(prompt_classes().values()))[0]
    prompt_ids = chat_ids(bench.encode, bench.info, first)
    bench.run_ours(prompt_ids, 48, use_draft=True)
    bench.run_ours(prompt_ids, 16)
    if bench.loop.speculative_name:
        bench.run_library(prompt_ids, 16, use_draft=True)


def _note(bench: Workbench) -> str:
    parts = []
    if bench.request.draft_model is None:
        parts.append("No draft model was given.")
    elif bench.info.draft_refused:
        parts.append(bench.info.draft_refused)
    if not bench.loop.speculative_name:
        parts.append("The library brings no speculative loop that can be called from here.")
    return " ".join(parts)


def _first_difference(token_ids: Sequence[int], others: Sequence[int]) -> int | None:
    """Where two answers part, None where they never do."""
    for index, (token_id, other) in enumerate(zip(token_ids, others, strict=False)):
        if token_id != other:
            return index
    return None if len(token_ids) == len(others) else min(len(token_ids), len(others))


def _spread(runs: Sequence[Run]) -> Spread | None:
    return Spread.over(_speeds(runs))


def _speeds(runs: Sequence[Run]) -> list[float | None]:
    return [run.decode_tps for run in runs]
