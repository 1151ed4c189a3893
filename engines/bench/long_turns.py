"""Turns of 200 tokens and more: whether drafts ever make one slower than plain decode.

Answers that would end earlier are kept from it. Such text soon goes round in circles, which would
flatter drafts, so it is sampled, always from the same seed: then it is the same text with drafts
and without. Answers that repeat a file are long enough by themselves, and greedy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.bench.figures import Run, median, ratio
from engines.bench.prompts import COPY_HEAVY, Prompt
from engines.bench.workbench import GREEDY, Workbench
from engines.types import SamplingParams

TURN_TOKENS = 208
SLOWEST_ALLOWED = 0.97
_JUDGED_FROM_TOKENS = 200
_NEVER = -100.0
_TEMPERATURE, _SEED = 1.0, 11
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LongTurn:
    """One prompt, each side as often as the others, neighbors in time.

    Args:
        fresh: With drafts, by an engine that knows nothing yet of their cost.
        warmed: With drafts, right after that.
    """

    plain: tuple[Run, ...]
    fresh: tuple[Run, ...]
    warmed: tuple[Run, ...]

    @property
    def fresh_gain(self) -> float | None:
        return self._gain(self.fresh)

    @property
    def warmed_gain(self) -> float | None:
        return self._gain(self.warmed)

    @property
    def noise(self) -> float | None:
        """How far apart equal runs of plain decode are: 0.02 for 2 %; None for a single one."""
        speeds = [run.decode_tps for run in self.plain if run.decode_tps]
        return max(speeds) / min(speeds) - 1 if len(speeds) > 1 else None

    def _gain(self, runs: Sequence[Run]) -> float | None:
        """By the fastest run of each, which other work on the machine has disturbed least."""
        return ratio(_fastest(runs), _fastest(self.plain))


@dataclass(frozen=True, slots=True)
class LongTurns:
    """Long turns by class of prompts."""

    classes: Mapping[str, tuple[LongTurn, ...]]

    def to_json(self) -> dict[str, Any]:
        turns = [turn for of_class in self.classes.values() for turn in of_class]
        worst = _worst(turns)
        is_judged = all(turn.plain[0].generated_tokens >= _JUDGED_FROM_TOKENS for turn in turns)
        return {
            "classes": {name: _class_json(turns) for name, turns in self.classes.items()},
            "worst_net_gain": worst,
            "slowest_allowed": SLOWEST_ALLOWED,
            "holds": worst >= SLOWEST_ALLOWED if worst is not None and is_judged else None,
            "noise": median(turn.noise for turn in turns),
        }


def measure_long_turns(
    bench: Workbench,
    prompts: Mapping[str, Sequence[Prompt]],
    repeat: int,
    report: Report = lambda line: None,
    tokens: int = TURN_TOKENS,
) -> LongTurns:
    """Every prompt with a fresh engine, with a warmed one and plainly."""
    classes = {}
    for name, of_class in prompts.items():
        sampling = GREEDY if name == COPY_HEAVY else _endless(bench.loop.end_ids)
        turns = tuple(_measure_turn(bench, each, sampling, tokens, repeat) for each in of_class)
        classes[name] = turns
        report(f"{name}: worst of the long turns {_worst(turns) or 0:.3f} of plain decode")
    return LongTurns(classes)


def _measure_turn(
    bench: Workbench, prompt: Prompt, sampling: SamplingParams, tokens: int, repeat: int
) -> LongTurn:
    def run(use_draft: bool, unlearned: bool = False) -> Run:
        return bench.run_ours(
            prompt.token_ids, tokens, use_draft, sampling, prompt.references, unlearned
        )

    plain, fresh, warmed = list[Run](), list[Run](), list[Run]()
    for number in range(repeat):
        if number % 2 == 0:
            plain.append(run(use_draft=False))
        fresh.append(run(use_draft=True, unlearned=True))
        warmed.append(run(use_draft=True))
        if number % 2 == 1:
            plain.append(run(use_draft=False))
    return LongTurn(tuple(plain), tuple(fresh), tuple(warmed))


def _endless(end_ids: Sequence[int]) -> SamplingParams:
    return SamplingParams(
        temperature=_TEMPERATURE,
        seed=_SEED,
        logit_bias=tuple((token_id, _NEVER) for token_id in end_ids),
    )


def _class_json(turns: Sequence[LongTurn]) -> dict[str, Any]:
    drafting = [run for turn in turns for run in (*turn.fresh, *turn.warmed)]
    return {
        "tokens": [turn.plain[0].generated_tokens for turn in turns],
        "plain_tps": median(run.decode_tps for turn in turns for run in turn.plain),
        "fresh_net_gain": median(turn.fresh_gain for turn in turns),
        "warmed_net_gain": median(turn.warmed_gain for turn in turns),
        "worst_net_gain": _worst(turns),
        "acceptance": ratio(
            sum(run.accepted_tokens for run in drafting),
            sum(run.drafted_tokens for run in drafting),
        ),
        "identical": all(
            run.token_ids == turn.plain[0].token_ids
            for turn in turns
            for run in (*turn.fresh, *turn.warmed)
        ),
        "noise": median(turn.noise for turn in turns),
    }


def _worst(turns: Sequence[LongTurn]) -> float | None:
    gains = [gain for turn in turns for gain in (turn.fresh_gain, turn.warmed_gain)]
    return min((gain for gain in gains if gain is not None), default=None)


def _fastest(runs: Sequence[Run]) -> float | None:
    return max((run.decode_tps for run in runs if run.decode_tps is not None), default=None)
