"""An account of the time that drafting cost over plain decode, so that it never costs much."""

from __future__ import annotations

LOSS_SHARE = 0.0125
"""Of the turn, what drafts may be expected to lose if they fare worse than they should."""
WORST_SHARE = 0.02
"""The same if all that is drafted is refused, where as good a gain as `_GREAT_GAIN` beckons."""
_GREAT_GAIN = 2.0
_TURN_TOKENS = 200
_FIRST_TOKENS = 100
_CARRIED_SHARE = 0.5


class LossAccount:
    """Time lost in the turn and not made up for before it, in plain steps; below zero it was won.

    A turn is treated as having `_TURN_TOKENS` tokens: shorter ones are over too soon to learn from
    a share of them. What they lose beyond their share is left for the next ones to make up for, as
    far as it leaves these something to try with. What was won in a turn may be risked again.

    Attributes:
        tokens: Generated in this turn, which is what plain decode would have taken.
    """

    def __init__(self) -> None:
        self.tokens = 0.0
        self.lost_units = 0.0

    def begin_turn(self) -> None:
        """What was won is spent; what was lost is made up for by a share of each token."""
        self.lost_units -= LOSS_SHARE * self.tokens
        most_units = _CARRIED_SHARE * LOSS_SHARE * _FIRST_TOKENS
        self.lost_units = min(max(0.0, self.lost_units), most_units)
        self.tokens = 0.0

    def add(self, units: float, tokens: float) -> None:
        """A step cost `units` and gave `tokens`."""
        self.tokens += tokens
        self.lost_units += units - tokens

    def affords(self, units: float, safe_tokens: float, prospect: float) -> bool:
        """Whether a step could go worse than expected, or fail, and still be paid for.

        Args:
            units: What it will cost.
            safe_tokens: What it gives if twice as many tokens are refused as expected.
            prospect: The best gain in speed that its drafter has to offer now. The last of what may
                be lost is kept for those that promise most, such as a long passage to copy.
        """
        worst_share = WORST_SHARE * min(1.0, max(1.0, prospect) / _GREAT_GAIN)
        if self.lost_units + units - 1.0 > worst_share * max(_TURN_TOKENS, self.tokens):
            return False
        at_risk = units - safe_tokens
        soon_tokens = max(self.tokens, min(_TURN_TOKENS, _FIRST_TOKENS + self.tokens))
        return at_risk <= 0 or self.lost_units + at_risk <= LOSS_SHARE * soon_tokens
