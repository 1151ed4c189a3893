"""How much memory there is for a model, from what the library tells of its GPUs."""

from __future__ import annotations

import psutil

from engines.llama_cpp.devices import FreeMemory, GpuMemory, combined, free_memory

GIB = 2**30


def test_without_a_gpu_the_machines_memory_counts() -> None:
    memory = combined(10 * GIB, [], is_unified=False)
    assert memory == FreeMemory(10 * GIB)
    assert memory.model_bytes == 10 * GIB


def test_on_metal_the_recommended_working_set_counts() -> None:
    memory = combined(20 * GIB, [GpuMemory(12 * GIB, 16 * GIB)], is_unified=True)
    assert memory.model_bytes == 12 * GIB
    assert memory.ram_bytes == 12 * GIB  # parked caches come from the same memory


def test_on_a_mac_that_is_full_parking_looks_at_what_is_really_free() -> None:
    memory = combined(3 * GIB, [GpuMemory(12 * GIB, 16 * GIB)], is_unified=True)
    assert (memory.model_bytes, memory.ram_bytes) == (12 * GIB, 3 * GIB)


def test_graphics_cards_count_together_and_apart_from_the_machines_memory() -> None:
    cards = [GpuMemory(70 * GIB, 80 * GIB), GpuMemory(10 * GIB, 80 * GIB)]
    memory = combined(3 * GIB, cards, is_unified=False)
    assert (memory.model_bytes, memory.ram_bytes) == (80 * GIB, 3 * GIB)


def test_a_gpu_that_tells_nothing_is_left_out() -> None:
    assert combined(3 * GIB, [GpuMemory(0, 0)], is_unified=True) == FreeMemory(3 * GIB)


def test_more_free_than_there_is_counts_as_all_of_it() -> None:
    assert combined(0, [GpuMemory(2**63, 8 * GIB)], is_unified=False).gpu_bytes == 8 * GIB


def test_what_a_model_takes_is_less_for_the_next() -> None:
    assert FreeMemory(8 * GIB).less(3 * GIB) == FreeMemory(5 * GIB)
    assert FreeMemory(8 * GIB, 6 * GIB).less(2 * GIB) == FreeMemory(8 * GIB, 4 * GIB)


def test_this_machine_has_some() -> None:
    memory = free_memory()
    assert 0 < memory.ram_bytes <= psutil.virtual_memory().total
    assert memory.model_bytes > 0
