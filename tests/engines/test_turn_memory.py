"""What is decided before a turn, from what it takes and what is free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.errors import NotEnoughMemory
from engines.turn_memory import TurnNeed, TurnPlan, plan_turn

MIB = 2**20
NEED = TurnNeed(
    prompt_tokens=1000,
    answer_tokens=1000,
    kv_bytes_per_token=MIB,
    copied_bytes=100 * MIB,
    parked_bytes=500 * MIB,
    chunk_tokens=512,
    working_bytes_per_token=MIB,
)
KV_MIB = 2 * 1000 + 100


def plan(free_mib: int, need: TurnNeed = NEED) -> TurnPlan:
    return plan_turn(need, free_mib * MIB)


def test_a_turn_that_fits_runs_as_always() -> None:
    assert plan(KV_MIB + 512) == TurnPlan(512, 500 * MIB, 1000)


def test_smaller_chunks_come_first() -> None:
    smaller = plan(KV_MIB + 511)
    assert (smaller.chunk_tokens, smaller.parked_bytes) == (256, 500 * MIB)
    assert "read in chunks of 256 tokens" in smaller.note
    assert plan(KV_MIB + 64).chunk_tokens == 64


def test_then_parked_caches_make_room_as_far_as_needed() -> None:
    parked = plan(KV_MIB + 64 - 200)
    assert (parked.chunk_tokens, parked.parked_bytes) == (64, 300 * MIB)
    assert "KV caches of other conversations made room" in parked.note
    assert plan(KV_MIB + 64 - 500).parked_bytes == 0


def test_then_the_answer_is_kept_shorter() -> None:
    short = plan(KV_MIB + 64 - 500 - 300)
    assert (short.parked_bytes, short.answer_tokens) == (0, 700)
    assert "the answer may have 700 tokens at most" in short.note


def test_what_leaves_no_useful_answer_is_refused_with_what_to_do() -> None:
    with pytest.raises(NotEnoughMemory, match=r"takes 2\.1 GiB more memory") as error:
        plan(KV_MIB + 64 - 500 - 900)
    assert "q8_0" in error.value.hint


def test_a_short_prompt_takes_no_whole_chunk() -> None:
    need = replace(NEED, prompt_tokens=10, answer_tokens=0, copied_bytes=0)
    assert plan(20, need) == TurnPlan(512, 500 * MIB, 0)


def test_a_cache_that_was_set_aside_asks_for_copies_alone() -> None:
    need = TurnNeed(0, 0, 0, copied_bytes=50 * MIB, parked_bytes=80 * MIB)
    assert plan(50, need) == TurnPlan(1, 80 * MIB, 0)
    assert plan(20, need).parked_bytes == 50 * MIB
    with pytest.raises(NotEnoughMemory):
        plan(0, replace(need, parked_bytes=0))


@pytest.mark.parametrize("free_mib", range(0, 3000, 100))
def test_no_plan_takes_more_than_there_is(free_mib: int) -> None:
    try:
        planned = plan(free_mib)
    except NotEnoughMemory:
        assert free_mib < KV_MIB + 64 - 500 - 800
        return
    taken = 1000 + planned.answer_tokens + 100 + planned.chunk_tokens
    assert taken <= free_mib + (500 - planned.parked_bytes // MIB)
    assert bool(planned.note) == (planned != TurnPlan(512, 500 * MIB, 1000))
