from __future__ import annotations

import random

import pytest

from engines.speculative.accept import accepted_count
from engines.speculative.depth import START_DEPTH, DraftDepth


class SimulatedDecode:
    """Costs and acceptance of an imagined machine, in place of a clock and two models."""

    def __init__(self, acceptance: float, row_s: float, draft_s: float, seed: int = 1) -> None:
        self.acceptance = acceptance
        self.row_s = row_s
        self.draft_s = draft_s
        self.depths: list[int] = []
        self.tokens = 0
        self.elapsed_s = 0.0
        self._random = random.Random(seed)

    def run(self, depth: DraftDepth, steps: int) -> None:
        for _ in range(steps):
            k = depth.next_depth()
            self.depths.append(k)
            verify_s = 1.0 + self.row_s * k
            accepted = 0
            while accepted < k and self._random.random() < self.acceptance:
                accepted += 1
            if k:
                depth.record(k, accepted, self.draft_s * k, verify_s)
            else:
                depth.record_plain(verify_s)
            self.tokens += 1 + accepted
            self.elapsed_s += verify_s + self.draft_s * k

    @property
    def tps(self) -> float:
        return self.tokens / self.elapsed_s


def test_starts_by_drafting_four() -> None:
    assert DraftDepth().next_depth() == START_DEPTH == 4
    assert DraftDepth(max_depth=2).next_depth() == 2


def test_goes_deep_where_rows_are_cheap_and_the_draft_is_good() -> None:
    machine = SimulatedDecode(acceptance=0.95, row_s=0.02, draft_s=0.05)
    machine.run(DraftDepth(), 400)
    late = machine.depths[200:]
    assert sum(late) / len(late) > 6
    assert machine.tps > 3


def test_stops_drafting_where_each_row_costs_a_whole_step() -> None:
    machine = SimulatedDecode(acceptance=0.5, row_s=1.0, draft_s=0.1)
    machine.run(DraftDepth(), 600)
    late = machine.depths[100:]
    assert late.count(0) / len(late) > 0.95
    assert machine.tps > 0.9


def test_stops_drafting_when_nothing_is_accepted() -> None:
    machine = SimulatedDecode(acceptance=0.0, row_s=0.02, draft_s=0.05)
    machine.run(DraftDepth(), 600)
    assert machine.depths[200:].count(0) > 370


def test_takes_up_drafting_again_when_the_text_becomes_predictable() -> None:
    depth = DraftDepth()
    machine = SimulatedDecode(acceptance=0.0, row_s=0.02, draft_s=0.05)
    machine.run(depth, 600)
    machine.acceptance = 0.95
    machine.run(depth, 1200)
    late = machine.depths[-200:]
    assert sum(late) / len(late) > 4


def test_one_disturbed_step_does_not_end_drafting() -> None:
    depth = DraftDepth()
    machine = SimulatedDecode(acceptance=0.9, row_s=0.05, draft_s=0.05)
    machine.run(depth, 100)
    k = depth.next_depth()
    depth.record(k, k, 0.05 * k, 50.0) if k else depth.record_plain(50.0)
    machine.depths.clear()
    machine.run(depth, 40)
    assert sum(machine.depths) / len(machine.depths) > 3


def test_is_never_far_from_the_best_fixed_depth() -> None:
    for acceptance, row_s in ((0.6, 0.15), (0.8, 0.3), (0.9, 0.05), (0.3, 0.4)):
        adaptive = SimulatedDecode(acceptance, row_s, draft_s=0.1)
        adaptive.run(DraftDepth(), 1500)
        fixed = [
            (1 - acceptance ** (k + 1)) / (1 - acceptance) / (1 + (row_s + 0.1) * k)
            for k in range(9)
        ]
        assert adaptive.tps > 0.88 * max(fixed)


def test_expected_tps_follows_its_formula() -> None:
    depth = DraftDepth()
    depth.record_plain(1.0)
    for _ in range(400):
        depth.record(2, 2, 0.2, 1.4)
    assert depth.expected_tps(0) == pytest.approx(1.0)
    assert depth.expected_tps(2) == pytest.approx(3 / 1.6)


@pytest.mark.parametrize(
    ("drafted", "sampled", "expected"),
    [([], [5], 0), ([1, 2], [1, 2, 9], 2), ([1, 2, 3], [1, 7], 1), ([4], [5], 0), ([1, 2], [1], 1)],
)
def test_accepted_count(drafted: list[int], sampled: list[int], expected: int) -> None:
    assert accepted_count(drafted, sampled) == expected
