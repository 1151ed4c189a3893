from __future__ import annotations

import pytest

from engines.bench.alternation import in_turns
from engines.bench.figures import Run, Spread, median, paired_ratios, ratio
from engines.bench.time_limit import TimeLimit


def run(decode_s: float = 1.0, tokens: int = 11) -> Run:
    return Run(100, 40, tuple(range(tokens)), 0.5, decode_s, 2.0)


def test_a_runs_speeds() -> None:
    assert run().decode_tps == 10  # the first token belongs to TTFT
    assert run().prefill_tps == 120  # cached tokens are not prefilled
    assert run().effective_tps == pytest.approx(11 / 1.5)


def test_a_speed_that_cannot_be_told_is_none() -> None:
    assert run(tokens=1).decode_tps is None
    assert run(decode_s=0.0).decode_tps is None


def test_the_ratio_is_formed_within_pairs() -> None:
    """A machine that halves its speed between two pairs leaves the ratio alone."""
    assert paired_ratios([10.0, 5.0], [20.0, 10.0]) == [0.5, 0.5]
    assert paired_ratios([10.0, None, 3.0], [5.0, 1.0, 0.0]) == [2.0]


def test_median_and_spread_leave_out_what_is_unknown() -> None:
    assert Spread.over([3.0, None, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert Spread.over([None]) is None
    assert median([]) is None
    assert ratio(1.0, 0.0) is None and ratio(None, 1.0) is None


def test_the_sides_take_turns_in_beginning() -> None:
    order: list[str] = []

    def measure(name: str) -> Run:
        order.append(name)
        return run()

    ours, library = in_turns(3, lambda: measure("ours"), lambda: measure("library"))
    assert order == ["ours", "library", "library", "ours", "ours", "library"]
    assert len(ours) == len(library) == 3


def test_the_time_limit_allows_the_first_piece_and_what_fits_after_it() -> None:
    limit = TimeLimit(10.0)
    assert limit.allows(10**9)
    limit.note(1000, elapsed_s=1.0)
    assert limit.allows(5000)
    assert not limit.allows(50_000)
