"""How likely a drafted token is confirmed, learned while decoding."""

from __future__ import annotations

from enum import StrEnum

_RATE = 0.03
_PRIOR_WEIGHT = 4
RUNG_STARTS = (1, 2, 3, 4, 5, 7, 10, 15, 23, 36)
_RUNG_PRIORS = (0.3, 0.35, 0.45, 0.55, 0.65, 0.75, 0.82, 0.88, 0.93, 0.96)
MATCH_MAX = 64
"""Agreement beyond this says nothing more."""
RUNG_OF_MATCH = tuple(
    max(0, sum(start <= match for start in RUNG_STARTS) - 1) for match in range(MATCH_MAX + 1)
)
_MODEL_PRIOR = 0.7


class ContentKind(StrEnum):
    """What is being written; drafts fare differently in each."""

    PROSE = "prose"
    CODE = "code"
    REASONING = "reasoning"
    TOOL_CALL = "tool call"


class Chances:
    """Chances of one drafter in one kind of content, by rung.

    A lookup's rungs go by the tokens that agree with its place so far, so that the position within
    a draft is part of them. A draft model's rungs are the positions. A chance is that of a token
    whose predecessors in the draft were all confirmed.
    """

    def __init__(self, priors: tuple[float, ...]) -> None:
        self.by_rung = list(priors)
        self.count = 0
        self._weights = [_PRIOR_WEIGHT] * len(priors)

    def by_position(self) -> list[float]:
        """Chances by rung, where one that was never seen is as good as the one before."""
        chances: list[float] = []
        for chance, weight in zip(self.by_rung, self._weights, strict=True):
            chances.append(chances[-1] if chances and weight == _PRIOR_WEIGHT else chance)
        return chances

    def note(self, rung: int, confirmed: bool) -> None:
        """A token on `rung` was confirmed or not."""
        self.count += 1
        self._weights[rung] += 1
        rate = max(_RATE, 1 / self._weights[rung])
        self.by_rung[rung] += (confirmed - self.by_rung[rung]) * rate


def lookup_chances() -> Chances:
    return Chances(_RUNG_PRIORS)


def model_chances(depth_max: int) -> Chances:
    return Chances((_MODEL_PRIOR,) * depth_max)
