from __future__ import annotations

import pytest

from conversation.context_window import (
    answer_reserve_tokens,
    first_kept_turn,
    turn_to_retry_from,
)


@pytest.mark.parametrize(("max_tokens", "reserve"), [(None, 1024), (100, 100), (4000, 1024)])
def test_the_reserve_is_max_tokens_but_at_most_a_quarter(
    max_tokens: int | None, reserve: int
) -> None:
    assert answer_reserve_tokens(4096, max_tokens) == reserve


def test_nothing_is_dropped_while_everything_fits() -> None:
    assert first_kept_turn([300, 300, 150], 1000, 250) == 0


def test_dropping_goes_down_to_half_of_the_window() -> None:
    assert first_kept_turn([200] * 4, 1000, 250) == 2


def test_the_prompt_keeps_its_beginning_for_many_turns() -> None:
    turns: list[int] = []
    openings: list[int] = []
    for _ in range(100):
        turns.append(20)
        openings.append(first_kept_turn(turns, 1000, 250))
        assert sum(turns[openings[-1] :]) <= 750
    assert openings == sorted(openings)
    assert len(set(openings)) < 8


def test_the_newest_turn_stays_however_long_it_is() -> None:
    assert first_kept_turn([10, 10, 5000], 1000, 250) == 2
    assert first_kept_turn([5000], 1000, 250) == 0


def test_the_system_prompt_counts_wherever_the_prompt_begins() -> None:
    turns = [400, 200, 200, 200]
    assert first_kept_turn(turns, 1000, 250) == 1
    assert first_kept_turn(turns, 1000, 250, opening_tokens=400) == 3


def test_a_larger_window_brings_everything_back() -> None:
    assert first_kept_turn([200] * 4, 8000, 250) == 0


def test_a_retry_leaves_out_half_of_the_history() -> None:
    assert turn_to_retry_from([100, 100, 100, 100, 50], 0) == 2
    assert turn_to_retry_from([100, 100, 50], 1) == 2
    assert turn_to_retry_from([100, 50], 1) is None
    assert turn_to_retry_from([50], 0) is None
