"""An account of the time that drafting cost over plain decode, so that it never costs much."""

from __future__ import annotations

LOSS_SHARE = 0.015
TURN_TOKENS = 200
"""A turn is treated as having this many tokens at least: shorter ones are over too soon to learn
from a share of them. What they lose beyond their share is left for the next ones to make up for."""


class LossAccount:
    """Time lost in the turn and not made up for before it, in plain steps; below zero it was won.

    Attributes:
        tokens: Generated in this turn, which is what plain decode would have taken.
    """

    def __init__(self) -> None:
        self.tokens = 0.0
        self.lost_units = 0.0

    def begin_turn(self) -> None:
        """What was won is spent; what was lost is made up for by a share of each token."""
        self.lost_units = max(0.0, self.lost_units - LOSS_SHARE * self.tokens)
        self.tokens = 0.0

    def add(self, units: float, tokens: float) -> None:
        """A step cost `units` and gave `tokens`."""
        self.tokens += tokens
        self.lost_units += units - tokens

    def affords(self, units: float, safe_tokens: float) -> bool:
        """Whether a step could go worse than expected and still be paid for.

        Args:
            units: What it will cost.
            safe_tokens: What it gives if twice as many tokens are refused as expected.
        """
        at_risk = max(0.0, units - safe_tokens)
        return self.lost_units + at_risk <= LOSS_SHARE * max(TURN_TOKENS, self.tokens)
