"""Will a model fit into a machine, and how fast will it be: asked before anything is loaded.

fit = fit_model(question, machine)
fit.verdict, fit.needed_bytes, fit.reasons, fit.remedies
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from engines.fit_question import (
    FitQuestion,
    Limits,
    Verdict,
    judge_within,
    largest_window,
    limits_of,
)
from engines.fit_remedies import remedies_for
from engines.hardware import Machine
from engines.speed import SpeedEstimate, estimate_speed


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer.

    Args:
        reasons: Sentences on the verdict, with numbers.
        remedies: Sentences on what would make it fit, or fit well; each would do alone.
        largest_window_tokens: The longest context that is not over the hard limit; 0 for none.
        short: Speed with the prompt in the context; `full`: with the whole window in use.
    """

    verdict: Verdict
    weights_bytes: int
    draft_bytes: int
    kv_bytes: int
    working_bytes: int
    needed_bytes: int
    limits: Limits
    largest_window_tokens: int
    reasons: tuple[str, ...]
    remedies: tuple[str, ...]
    short: SpeedEstimate
    full: SpeedEstimate

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def fit_model(question: FitQuestion, machine: Machine) -> Fit:
    """Whether it fits, and how fast it will be."""
    limits = limits_of(machine)
    verdict, reasons = judge_within(question, limits)
    prompt = min(question.prompt_tokens, question.context_tokens)
    draft_bytes = question.draft.weights.total_bytes if question.draft else 0
    return Fit(
        verdict=verdict,
        weights_bytes=question.weights.total_bytes,
        draft_bytes=draft_bytes,
        kv_bytes=question.kv_bytes,
        working_bytes=question.working_bytes,
        needed_bytes=question.needed_bytes,
        limits=limits,
        largest_window_tokens=largest_window(question, limits),
        reasons=tuple(reasons),
        remedies=() if verdict is Verdict.FITS else tuple(remedies_for(question, machine)),
        short=_speed(question, machine, prompt),
        full=_speed(question, machine, question.context_tokens),
    )


def _speed(question: FitQuestion, machine: Machine, tokens: int) -> SpeedEstimate:
    return estimate_speed(
        question.shape, question.weights, machine, tokens, question.kv_type, question.measured
    )
