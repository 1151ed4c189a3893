"""How many tokens to draft per step: as many as pay, by measurement, and none where none do."""

from __future__ import annotations

START_DEPTH = 4
_WARM_UP_STEPS = 4
_PLAIN_STEPS = 2
_PROBE_EVERY_STEPS = 32
_PROBE_EVERY_STEPS_MAX = 256
_DRAFT_PROBE_STEPS = 3
_COST_RATE = 0.1
_ACCEPTANCE_RATE = 0.05
_FIRST_ACCEPTANCE = 0.7
_OUTLIER = 3.0
_WORTHWHILE_GAIN = 1.03


class DraftDepth:
    """Chooses the depth with the best expected tokens per second; 0 is plain decode.

    A step of depth k drafts k tokens and verifies them in one pass of k + 1 rows. It yields
    1 + a1 + a1·a2 + … + a1·…·ak tokens, where ai is the acceptance rate of position i given that
    all before it were accepted, and it costs k drafted tokens and one pass. Both are kept as
    moving averages. From time to time another depth is tried, so that a bad passage of text or a
    busy moment of the machine is not held against drafting for ever.

    Args:
        max_depth: Tokens to draft at most.
    """

    def __init__(self, max_depth: int = 8) -> None:
        self._max_depth = max_depth
        self._acceptance = [_Average(_ACCEPTANCE_RATE) for _ in range(max_depth)]
        self._draft_token_s = _Average(_COST_RATE)
        self._pass_s: dict[int, _Average] = {}
        self._depth = min(START_DEPTH, max_depth)
        self._steps = 0
        self._probe_steps_left = 0
        self._probe_every_steps = _PROBE_EVERY_STEPS
        self._steps_to_probe = _PROBE_EVERY_STEPS
        self._probes = 0
        self._draft_lags = True

    def next_depth(self) -> int:
        """Tokens to draft in the next step; 0 asks for a plain one."""
        return self._depth

    def record(self, drafted: int, accepted: int, draft_s: float, verify_s: float) -> None:
        """A step drafted `drafted` tokens in `draft_s` and verified them in `verify_s`."""
        for position in range(min(accepted + 1, drafted, self._max_depth)):
            self._acceptance[position].add(1.0 if position < accepted else 0.0)
        if drafted and not self._draft_lags:  # after plain steps it also reads what it missed
            self._draft_token_s.add_cost(draft_s / drafted)
        self._draft_lags = False
        self._pass(drafted + 1).add_cost(verify_s)
        self._plan()

    def record_plain(self, step_s: float) -> None:
        """A plain step took `step_s`."""
        self._draft_lags = True
        self._pass(1).add_cost(step_s)
        self._plan()

    def expected_tps(self, depth: int) -> float:
        """Tokens per second to be expected at `depth`; 0 before anything was measured."""
        cost_s = self._estimate_pass_s(depth + 1) + depth * self._draft_token_s.value
        return self._expected_tokens(depth) / cost_s if cost_s > 0 else 0.0

    def _plan(self) -> None:
        self._steps += 1
        if self._steps < _WARM_UP_STEPS:
            return
        if self._pass(1).count < _PLAIN_STEPS:
            self._depth = 0
        elif self._probe_steps_left > 1:
            self._probe_steps_left -= 1
        elif self._steps_to_probe <= 0:
            self._probe()
        else:
            self._probe_steps_left = 0
            self._steps_to_probe -= 1
            self._depth = self._best_depth()

    def _probe(self) -> None:
        best = self._best_depth()
        self._probes += 1
        if best == 0:
            self._depth = max(range(1, self._max_depth + 1), key=self.expected_tps)
            self._probe_steps_left = _DRAFT_PROBE_STEPS
            self._probe_every_steps = min(2 * self._probe_every_steps, _PROBE_EVERY_STEPS_MAX)
        else:
            self._depth = 0 if self._probes % 2 else min(best + 2, self._max_depth)
            self._probe_steps_left = 1
            self._probe_every_steps = _PROBE_EVERY_STEPS
        self._steps_to_probe = self._probe_every_steps

    def _best_depth(self) -> int:
        best = max(range(1, self._max_depth + 1), key=self.expected_tps)
        pays = self.expected_tps(best) > _WORTHWHILE_GAIN * self.expected_tps(0)
        return best if pays else 0

    def _expected_tokens(self, depth: int) -> float:
        expected = reached = 1.0
        rate = _FIRST_ACCEPTANCE
        for average in self._acceptance[:depth]:
            rate = average.value if average.count else rate  # unseen: as the one before
            reached *= rate
            expected += reached
        return expected

    def _pass(self, rows: int) -> _Average:
        return self._pass_s.setdefault(rows, _Average(_COST_RATE))

    def _estimate_pass_s(self, rows: int) -> float:
        """Measured, or on the line through the two nearest measured numbers of rows."""
        known = {rows: average.value for rows, average in self._pass_s.items() if average.count}
        if rows in known or not known:
            return known.get(rows, 0.0)
        nearest = sorted(known, key=lambda other: abs(other - rows))
        if len(nearest) == 1:
            return known[nearest[0]]
        first, second = nearest[:2]
        slope = max(0.0, (known[first] - known[second]) / (first - second))
        return max(known[first] + slope * (rows - first), min(known.values()))


class _Average:
    """Moving average that weighs its first values equally."""

    def __init__(self, rate: float) -> None:
        self.value = 0.0
        self.count = 0
        self._rate = rate

    def add(self, value: float) -> None:
        self.count += 1
        self.value += (value - self.value) * max(self._rate, 1 / self.count)

    def add_cost(self, cost_s: float) -> None:
        """Add a measured time; one that was disturbed counts as three times the usual at most."""
        self.add(min(cost_s, _OUTLIER * self.value) if self.count else cost_s)
