"""What a pass of several rows costs on this machine, counted in plain steps."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

MAX_ROWS = 64
PLAIN_STEPS_NEEDED = 3
_WINDOW = 7
_OUTLIER = 3.0
_CHANGE_MAX = 0.3
_PLAIN_RATE = 0.12
_MEAN_RATE = 0.02
_UNKNOWN_ROW_UNITS = 0.5
_PREFILL_ROWS_MIN = 24
_MEASUREMENTS_TO_BELIEVE = 2


class StepCosts:
    """Measured costs of one model on one machine. One unit is the time of one plain step.

    Ratios outlive a change of the machine's speed, and medians a disturbed measurement. Rows that
    were never verified are estimated on the line between their measured neighbors, of which the
    last prefill chunk is one.

    Attributes:
        plain_s: Seconds of a plain step, by the latest ones, of which one that was disturbed
            counts as little more than the usual; 0 while unknown.
        mean_plain_s: Their long-term mean; 0 while unknown.
    """

    def __init__(self) -> None:
        self.plain_s = 0.0
        self.mean_plain_s = 0.0
        self._plain_steps = 0
        self._passes: dict[int, deque[float]] = {}
        self._prefill: tuple[int, float] | None = None
        self._units: list[float] = []

    @property
    def plain_is_known(self) -> bool:
        return self._plain_steps >= PLAIN_STEPS_NEEDED

    @property
    def plain_tps(self) -> float | None:
        """Tokens per second of plain decode, in the long term; None while unknown."""
        return 1 / self.mean_plain_s if self.plain_is_known else None

    def note_plain(self, step_s: float) -> None:
        """A plain step took `step_s`; called for every plain token, so it does little."""
        self._plain_steps += 1
        rate = 1 / self._plain_steps
        if self._plain_steps <= PLAIN_STEPS_NEEDED:
            self.mean_plain_s += (step_s - self.mean_plain_s) * rate
            self.plain_s = min(step_s, self.plain_s or step_s)
            return
        plain_s, most_s = self.plain_s, _CHANGE_MAX * self.plain_s
        change_s = max(-most_s, min(step_s - plain_s, most_s))
        self.plain_s = plain_s + change_s * _PLAIN_RATE
        usual_s = min(step_s, _OUTLIER * plain_s)
        self.mean_plain_s += (usual_s - self.mean_plain_s) * max(_MEAN_RATE, rate)

    def note_pass(self, rows: int, pass_s: float) -> None:
        """Verifying `rows` rows in one pass took `pass_s`."""
        if self.plain_s > 0:
            measured = self._passes.setdefault(rows, deque(maxlen=_WINDOW))
            measured.append(pass_s / self.plain_s)
            self._units = []

    def note_prefill(self, rows: int, chunk_s: float) -> None:
        """A prefill chunk of `rows` tokens took `chunk_s`."""
        if rows >= _PREFILL_ROWS_MIN:
            self._prefill = (rows, chunk_s)
            self._units = []

    def units(self, rows: int) -> float:
        """Cost of one pass of `rows` rows, at most `MAX_ROWS`."""
        if not self._units:
            known = self._known()
            self._units = [_on_the_line(known, rows) for rows in range(MAX_ROWS + 1)]
        return self._units[rows]

    def prefill_token_units(self) -> float:
        """Cost of reading one token of a prompt, in a long chunk."""
        rows, units = self._known()[-1]
        return units / rows

    def age(self) -> None:
        """Another turn begins: let go of the oldest measurements, so that others get a try."""
        for measured in self._passes.values():
            if len(measured) > 1:
                measured.popleft()
        self._units = []

    def _known(self) -> list[tuple[int, float]]:
        """Rows and units, in order; at least one row and one larger number.

        The first measurement is often a bad one (a new kind of pass is slow at first), so that it
        is only half believed, and of two the better one.
        """
        known = {1: 1.0}
        for rows, measured in self._passes.items():
            if len(measured) >= _MEASUREMENTS_TO_BELIEVE:
                known[rows] = sorted(measured)[(len(measured) - 1) // 2]
        if self._prefill is not None and self.plain_s > 0 and self._prefill[0] > max(known):
            known[self._prefill[0]] = max(1.0, self._prefill[1] / self.plain_s)
        if len(known) == 1:
            known[MAX_ROWS] = 1 + _UNKNOWN_ROW_UNITS * (MAX_ROWS - 1)
        line = sorted(known.items())
        for rows, measured in self._passes.items():
            if rows not in known:
                known[rows] = math.sqrt(min(measured) * _on_the_line(line, rows))
        return sorted(known.items())


def _on_the_line(known: list[tuple[int, float]], rows: int) -> float:
    """Between two known numbers of rows; beyond the last, on no more steeply than at first sight.

    A first row more may cost most, so that its price must not keep from trying many.
    """
    for (left, left_units), (right, right_units) in pairwise(known):
        slope = (right_units - left_units) / (right - left)
        if rows <= right:
            return left_units + slope * (max(rows, left) - left)
    return right_units + min(max(0.0, slope), _UNKNOWN_ROW_UNITS) * (rows - right)
