"""What is decided before a weight is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.errors import NotEnoughMemory
from engines.memory import KVCost, MemoryNeed, MemoryPlan, plan_memory, size_text

GIB = 2**30
MIB = 2**20
F16 = KVCost("f16", 100 * 1024)
Q8 = KVCost("q8_0", 53 * 1024)
NEED = MemoryNeed(
    weights_bytes=4 * GIB,
    kv_costs=(F16, Q8),
    window_tokens=32_768,
    is_window_asked=True,
    chunk_tokens=512,
    working_bytes=64 * MIB,
    working_bytes_per_token=512 * 1024,
)


def total(plan: MemoryPlan) -> int:
    cost = next(cost for cost in NEED.kv_costs if cost.kv_type == plan.kv_type)
    chunk_bytes = NEED.working_bytes_per_token * plan.chunk_tokens
    return (
        NEED.weights_bytes + cost.bytes_for(plan.window_tokens) + NEED.working_bytes + chunk_bytes
    )


def test_what_fits_is_left_as_it_was_asked_for() -> None:
    plan = plan_memory(NEED, 16 * GIB)
    assert (plan.window_tokens, plan.kv_type, plan.chunk_tokens) == (32_768, "f16", 512)
    assert plan.note == ""
    assert plan.needed_bytes == total(plan)


def test_smaller_chunks_come_first() -> None:
    plan = plan_memory(NEED, plan_memory(NEED, 16 * GIB).needed_bytes - 1)
    assert (plan.window_tokens, plan.kv_type, plan.chunk_tokens) == (32_768, "f16", 256)
    assert "chunks of 256 tokens" in plan.note


def test_a_quantized_cache_comes_next() -> None:
    plan = plan_memory(NEED, 7 * GIB)
    assert (plan.window_tokens, plan.kv_type, plan.chunk_tokens) == (32_768, "q8_0", 512)
    assert plan.note == "To fit into 7.0 GiB, the KV cache is kept in q8_0."


def test_a_window_that_was_asked_for_is_refused_with_one_that_fits() -> None:
    with pytest.raises(NotEnoughMemory, match="32,768 tokens") as error:
        plan_memory(NEED, 5 * GIB)
    fitting = int(error.value.hint.split("at most ")[1].split(" ")[0].replace(",", ""))
    smaller = replace(NEED, window_tokens=fitting)
    assert plan_memory(smaller, 5 * GIB).window_tokens == fitting
    with pytest.raises(NotEnoughMemory):
        plan_memory(replace(NEED, window_tokens=2 * fitting), 5 * GIB)


def test_the_models_own_window_is_shortened() -> None:
    own = replace(NEED, window_tokens=262_144, is_window_asked=False)
    plan = plan_memory(own, 8 * GIB)
    assert plan.kv_type == "f16"
    assert 32_768 <= plan.window_tokens < 262_144
    assert plan.window_tokens % 256 == 0
    assert plan.needed_bytes <= 8 * GIB
    assert "of the model's 262,144" in plan.note


def test_the_models_own_window_on_a_tight_machine() -> None:
    own = replace(NEED, window_tokens=262_144, is_window_asked=False)
    plan = plan_memory(own, 4 * GIB + 300 * MIB)
    assert (plan.kv_type, plan.chunk_tokens) == ("q8_0", 64)
    assert 1024 <= plan.window_tokens < 8192
    assert plan.needed_bytes <= 4 * GIB + 300 * MIB


@pytest.mark.parametrize("is_window_asked", [True, False])
def test_weights_that_do_not_fit_are_refused(is_window_asked: bool) -> None:
    need = replace(NEED, is_window_asked=is_window_asked)
    with pytest.raises(NotEnoughMemory, match=r"takes 4\.0 GiB") as error:
        plan_memory(need, 4 * GIB)
    assert "smaller model" in error.value.hint


def test_a_cache_that_does_not_grow_takes_any_window() -> None:
    need = replace(NEED, kv_costs=(KVCost("f32", 0, 10 * MIB),), is_window_asked=False)
    assert plan_memory(need, 5 * GIB).window_tokens == 32_768


def test_a_short_window_of_the_models_own_is_not_called_too_small() -> None:
    need = replace(NEED, window_tokens=512, is_window_asked=False)
    assert plan_memory(need, 5 * GIB).window_tokens == 512


@pytest.mark.parametrize("available_mib", range(4100, 9000, 100))
@pytest.mark.parametrize("is_window_asked", [True, False])
def test_no_plan_takes_more_than_there_is(available_mib: int, is_window_asked: bool) -> None:
    need = replace(NEED, is_window_asked=is_window_asked)
    try:
        plan = plan_memory(need, available_mib * MIB)
    except NotEnoughMemory:
        assert available_mib < 6200
        return
    assert total(plan) == plan.needed_bytes <= available_mib * MIB
    assert bool(plan.note) == (
        (plan.window_tokens, plan.kv_type, plan.chunk_tokens) != (32_768, "f16", 512)
    )


def test_a_library_that_knows_its_buffers_says_what_smaller_chunks_save() -> None:
    costs = tuple(replace(cost, chunk_bytes_per_token=MIB) for cost in (F16, Q8))
    need = replace(NEED, kv_costs=costs, working_bytes_per_token=0)
    fitting = plan_memory(need, 16 * GIB)
    smaller = plan_memory(need, fitting.needed_bytes - 300 * MIB)
    assert (smaller.kv_type, smaller.chunk_tokens) == ("f16", 128)
    assert fitting.needed_bytes - smaller.needed_bytes == 384 * MIB


def test_sizes_are_readable() -> None:
    assert [size_text(size) for size in (-1, 5 * MIB, 3 * GIB // 2)] == [
        "0 MiB",
        "5 MiB",
        "1.5 GiB",
    ]
