"""A model that is larger than the GPU: how many of its layers go there."""

from __future__ import annotations

import pytest

from engines.errors import NotEnoughMemory
from engines.llama_cpp.devices import FreeMemory, GpuMemory, combined
from engines.llama_cpp.layer_split import PlanFor, plan_layers
from engines.memory import MemoryPlan

GIB = 2**30


def planner(needed_bytes: int) -> PlanFor:
    def plan_for(available_bytes: int) -> MemoryPlan:
        if needed_bytes > available_bytes:
            raise NotEnoughMemory("Too large.", "Smaller.")
        return MemoryPlan(8192, "f16", 512, needed_bytes, available_bytes)

    return plan_for


def test_what_fits_lies_on_the_gpu_whole() -> None:
    free = FreeMemory(32 * GIB, 16 * GIB, 32 * GIB)
    plan = plan_layers(planner(15 * GIB), free, 40)
    assert (plan.gpu_layers, plan.memory.note) == (None, "")


def test_of_a_larger_model_as_many_layers_as_fit() -> None:
    free = FreeMemory(64 * GIB, 16 * GIB, 64 * GIB)
    plan = plan_layers(planner(32 * GIB), free, 40)
    assert plan.gpu_layers == 19
    assert "19 of 40 layers" in plan.memory.note


def test_what_fits_nowhere_is_refused() -> None:
    with pytest.raises(NotEnoughMemory):
        plan_layers(planner(100 * GIB), FreeMemory(64 * GIB, 16 * GIB, 64 * GIB), 40)
    with pytest.raises(NotEnoughMemory):
        plan_layers(planner(10 * GIB), FreeMemory(8 * GIB), 40)


def test_a_number_that_was_asked_for_is_taken() -> None:
    free = FreeMemory(32 * GIB, 16 * GIB, 32 * GIB)
    assert plan_layers(planner(10 * GIB), free, 40, asked_layers=7).gpu_layers == 7
    assert plan_layers(planner(1), FreeMemory(8 * GIB), 40, asked_layers=7).gpu_layers == 7


def test_on_a_mac_what_the_gpu_may_not_keep_is_beside_it() -> None:
    memory = combined(26 * GIB, [GpuMemory(21 * GIB, 21 * GIB)], is_unified=True)
    assert memory.spill_bytes == 5 * GIB
    full = combined(10 * GIB, [GpuMemory(21 * GIB, 21 * GIB)], is_unified=True)
    assert full.spill_bytes == 0
    card = combined(26 * GIB, [GpuMemory(8 * GIB, 8 * GIB)], is_unified=False)
    assert card.spill_bytes == 26 * GIB


def test_what_a_split_model_takes_is_taken_from_both() -> None:
    left = FreeMemory(64 * GIB, 16 * GIB, 64 * GIB).less(20 * GIB)
    assert (left.gpu_bytes, left.spill_bytes) == (0, 60 * GIB)
