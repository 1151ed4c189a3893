"""Drawing tokens from logits."""

from __future__ import annotations

from collections import Counter

import mlx.core as mx
import pytest

from engines.mlx.decoding import as_ids
from engines.mlx.sampling import Sampler
from engines.types import SamplingParams

LOGITS = mx.array([[0.0, 1.0, 2.0, 3.0, -1.0, 2.5]])
NOTHING = mx.array([], dtype=mx.int32)


def draw(params: SamplingParams, count: int = 1, history: mx.array = NOTHING) -> list[int]:
    sampler = Sampler(params)
    drawn = [sampler.sample(LOGITS, position, history) for position in range(count)]
    return as_ids(mx.concatenate(drawn))


def test_temperature_zero_takes_the_likeliest() -> None:
    assert draw(SamplingParams(temperature=0), 5) == [3] * 5


def test_rows_are_sampled_one_by_one() -> None:
    rows = mx.concatenate([LOGITS, -LOGITS, LOGITS[:, ::-1]])
    assert Sampler(SamplingParams(temperature=0)).sample(rows, 0, None).tolist() == [3, 4, 2]


def test_frequencies_follow_the_distribution() -> None:
    drawn = Counter(draw(SamplingParams(temperature=1, seed=1), 4000))
    expected = mx.softmax(LOGITS[0])
    for token_id in range(expected.size):
        assert abs(drawn[token_id] / 4000 - float(expected[token_id])) < 0.03


@pytest.mark.parametrize(
    ("params", "allowed"),
    [
        (SamplingParams(temperature=2, top_k=2, seed=1), {3, 5}),
        (SamplingParams(temperature=2, top_p=0.6, seed=1), {3, 5}),
        (SamplingParams(temperature=2, top_p=0.0, seed=1), {3}),
        (SamplingParams(temperature=2, min_p=0.3, seed=1), {2, 3, 5}),
        (SamplingParams(temperature=2, top_k=4, top_p=0.9, min_p=0.5, seed=1), {3, 5}),
        (SamplingParams(temperature=2, top_k=100, seed=1), {0, 1, 2, 3, 4, 5}),
    ],
)
def test_filters_leave_exactly_the_likely_ones(params: SamplingParams, allowed: set[int]) -> None:
    assert set(draw(params, 400)) == allowed


def test_a_seed_repeats_and_no_seed_does_not() -> None:
    params = SamplingParams(temperature=1.5, seed=11)
    assert draw(params, 50) == draw(params, 50)
    assert draw(SamplingParams(temperature=1.5), 50) != draw(SamplingParams(temperature=1.5), 50)
    assert draw(params, 50) != draw(SamplingParams(temperature=1.5, seed=12), 50)


def test_a_position_draws_the_same_token_in_any_pass() -> None:
    """What makes a drafted passage equal to a plain one with the same seed."""
    params = SamplingParams(temperature=1.5, seed=3)
    together = Sampler(params).sample(mx.repeat(LOGITS, 20, axis=0), 0, None).tolist()
    assert together == draw(params, 20)


@pytest.mark.parametrize(
    "penalty",
    [
        SamplingParams(temperature=0, repetition_penalty=10.0),
        SamplingParams(temperature=0, presence_penalty=5.0),
        SamplingParams(temperature=0, frequency_penalty=5.0),
    ],
)
def test_penalties_turn_away_from_what_was_written(penalty: SamplingParams) -> None:
    assert draw(penalty) == [3]
    assert draw(penalty, history=mx.array([3])) == [5]
    assert draw(penalty, history=mx.array([3, 5])) == [2]


def test_frequency_counts_and_presence_does_not() -> None:
    history = mx.array([3, 3, 3, 5])
    assert draw(SamplingParams(temperature=0, frequency_penalty=0.4), history=history) == [5]
    assert draw(SamplingParams(temperature=0, presence_penalty=0.4), history=history) == [3]


def test_later_rows_of_a_pass_see_the_drafted_tokens_before_them() -> None:
    sampler = Sampler(SamplingParams(temperature=0, presence_penalty=5.0))
    rows = mx.repeat(LOGITS, 3, axis=0)
    assert sampler.sample(rows, 1, mx.array([3, 5, 2])).tolist() == [5, 2, 1]


def test_penalties_forget_what_is_long_past() -> None:
    history = mx.array([3] + [0] * 64)
    assert draw(SamplingParams(temperature=0, presence_penalty=5.0), history=history) == [3]
