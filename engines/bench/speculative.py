"""Speculation: plain decode, our drafts and the library's own speculative loop in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engines.bench.figures import Run, Spread, median, paired_ratios, ratio
from engines.bench.long_turns import TURN_TOKENS, LongTurns, measure_long_turns
from engines.bench.prompts import Prompt, chat_prompt, prompt_classes
from engines.bench.row_costs import RowCosts, measure_row_costs
from engines.bench.workbench import Workbench

PLAIN, OURS, LIBRARY = "plain", "ours", "library"
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
        gains = paired_ratios(_speeds(self.ours), _speeds(self.plain))
        differing = [
            _first_difference(run.token_ids, plain.token_ids)
            for run, plain in zip(self.ours, self.plain, strict=True)
        ]
        return {
            "plain_tps": plain.median if plain else None,
            "ours_tps": ours.median if ours else None,
            "library_tps": library.median if library else None,
            "net_gain": median(gains),
            "best_net_gain": max(gains, default=None),
            "library_net_gain": median(paired_ratios(_speeds(self.library), _speeds(self.plain)))
            if self.library
            else None,
            "acceptance": ratio(sum(run.accepted_tokens for run in self.ours), drafted),
            "library_acceptance": ratio(
                sum(run.accepted_tokens for run in self.library),
                sum(run.drafted_tokens for run in self.library),
            ),
            "drafted_tokens": drafted,
            "identical": all(index is None for index in differing),
            "differing_runs": sum(index is not None for index in differing),
            "first_difference": min((i for i in differing if i is not None), default=None),
            "generated_tokens": sum(len(run.token_ids) for run in self.ours),
        }


@dataclass(frozen=True, slots=True)
class SpeculativeResult:
    """Args:
    classes: Greedy answers of their natural length.
    long_turns: Longer ones, by which the promise that drafts never cost much is judged.
    note: Why the library has no figure, or our engine no draft model.
    """

    classes: dict[str, ClassResult]
    long_turns: LongTurns
    library_name: str
    row_costs: RowCosts
    note: str

    def to_json(self) -> dict[str, Any]:
        classes = {name: result.to_json() for name, result in self.classes.items()}
        return {
            "prompt_classes": classes,
            "identical": all(result["identical"] for result in classes.values()),
            "net_gain": median(result["net_gain"] for result in classes.values()),
            "library": self.library_name or None,
            "long_turns": self.long_turns.to_json(),
            **self.row_costs.to_json(),
            "note": self.note,
        }


def measure_speculative(
    bench: Workbench, tokens: int, repeat: int, report: Report = lambda line: None
) -> SpeculativeResult:
    """Greedy answers of at most `tokens` tokens to every prompt of every class, then long turns.

    With fewer tokens than a long turn has these are short too, and tell nothing.
    """
    report("timing passes of several rows")
    row_costs = measure_row_costs(bench)
    prompts = {
        name: [chat_prompt(bench.encode, bench.info, question) for question in questions]
        for name, questions in prompt_classes().items()
    }
    _warm_up(bench, next(iter(prompts.values()))[0])
    results = {}
    for name, of_class in prompts.items():
        results[name] = _measure_class(bench, of_class, tokens, repeat)
        figures = results[name].to_json()
        report(f"{name}: plain {figures['plain_tps']:.0f}, ours {figures['ours_tps']:.0f} tok/s")
    long_turns = measure_long_turns(bench, prompts, repeat, report, min(tokens, TURN_TOKENS))
    return SpeculativeResult(
        results, long_turns, bench.loop.speculative_name, row_costs, _note(bench)
    )


def _measure_class(
    bench: Workbench, prompts: Sequence[Prompt], tokens: int, repeat: int
) -> ClassResult:
    """The library's loop knows no end: it writes as many tokens as plain decode did."""
    lengths: dict[Prompt, int] = {}

    def run(side: str, prompt: Prompt) -> Run:
        if side == LIBRARY:
            length = lengths.get(prompt, tokens)
            return bench.run_library(prompt.token_ids, length, use_draft=True)
        made = bench.run_ours(
            prompt.token_ids, tokens, use_draft=side == OURS, references=prompt.references
        )
        lengths[prompt] = len(made.token_ids)
        return made

    sides = [PLAIN, OURS] + ([LIBRARY] if bench.loop.speculative_name else [])
    runs: dict[str, list[Run]] = {PLAIN: [], OURS: [], LIBRARY: []}
    for number in range(repeat):
        for prompt in prompts:
            for side in sides if number % 2 == 0 else reversed(sides):
                runs[side].append(run(side, prompt))
    return ClassResult(tuple(runs[PLAIN]), tuple(runs[OURS]), tuple(runs[LIBRARY]))


def _warm_up(bench: Workbench, prompt: Prompt) -> None:
    """One answer with drafts, after which the depth is chosen by what was measured here."""
    bench.run_ours(prompt.token_ids, 48, use_draft=True)
    bench.run_ours(prompt.token_ids, 16)
    if bench.loop.speculative_name:
        bench.run_library(prompt.token_ids, 16, use_draft=True)


def _note(bench: Workbench) -> str:
    parts = []
    if bench.request.draft_model is None:
        parts.append("No draft model was given.")
    elif bench.info.draft_refused:
        parts.append(bench.info.draft_refused)
    elif not bench.loop.speculative_name:
        parts.append("The library's speculative program was not built (make bench-tools).")
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
