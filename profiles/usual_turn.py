"""The turn that a profile's task usually has: what settings are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.bench.trial import TrialFigures
from profiles.routing import expected_answer_tokens
from profiles.schema import Profile
from profiles.task import Task

_PROMPT_TOKENS: Mapping[Task | None, int] = {
    Task.DAILY_CHAT: 150,
    Task.CODING: 1500,
    Task.REASONING: 300,
    Task.LONG_DOCUMENTS: 8000,
    Task.QUICK: 100,
    Task.VISION: 600,
    Task.MAXIMUM_CAPABILITY: 500,
}
_USUAL_PROMPT_TOKENS = 300
_QUESTIONS: Mapping[Task | None, tuple[str, ...]] = {
    Task.CODING: ("write-code", "copy-heavy"),
    Task.LONG_DOCUMENTS: ("explain", "copy-heavy"),
    Task.REASONING: ("explain",),
}
_USUAL_QUESTIONS = ("everyday", "explain")


@dataclass(frozen=True, slots=True)
class UsualTurn:
    """A turn as the task usually has it: what decides which settings are best."""

    prompt_tokens: int
    answer_tokens: int
    questions: tuple[str, ...]

    def seconds(self, figures: TrialFigures) -> float | None:
        """How long it takes, nothing cached; None where that is not known."""
        if not figures.prefill_tps or not figures.decode_tps:
            return None
        prefill_s = self.prompt_tokens / figures.prefill_tps
        return prefill_s + self.answer_tokens / figures.decode_tps


def usual_turn(profile: Profile, typical_answer_tokens: int | None = None) -> UsualTurn:
    """By the profile's task, and by how long its answers were."""
    task = profile.task
    prompt_tokens = _PROMPT_TOKENS.get(task, _USUAL_PROMPT_TOKENS)
    questions = _QUESTIONS.get(task, _USUAL_QUESTIONS)
    return UsualTurn(
        prompt_tokens, expected_answer_tokens(profile, typical_answer_tokens), questions
    )
