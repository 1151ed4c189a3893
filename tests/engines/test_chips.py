from __future__ import annotations

import pytest

from engines.chips import find_chip, known_chips
from engines.hardware_probes import GPU


def test_every_figure_has_a_source() -> None:
    for chip in known_chips():
        assert chip.source, chip.name
        assert bool(chip.speed_source) == (chip.prefill_7b_tps is not None), chip.name
        assert chip.decode_share is None or 0.2 < chip.decode_share < 0.85, chip.name
        assert 50 < chip.bandwidth_gb_per_s < 10_000


def test_better_chips_of_a_generation_are_not_slower() -> None:
    for generation in "12345":
        sizes = [f"Apple M{generation}{size}" for size in ("", " Pro", " Max", " Ultra")]
        family = [chip for size in sizes if (chip := find_chip(size)) is not None]
        bandwidths = [chip.bandwidth_gb_per_s for chip in family]
        prefills = [chip.prefill_7b_tps for chip in family if chip.prefill_7b_tps]
        assert bandwidths == sorted(bandwidths)
        assert prefills == sorted(prefills)


@pytest.mark.parametrize(
    ("gpu_cores", "memory_gb", "gb_per_s"),
    [(32, None, 410), (40, None, 546), (None, 36, 410), (None, 64, 546), (None, None, 546)],
)
def test_variants_differ_in_cores_and_in_what_memory_they_come_with(
    gpu_cores: int | None, memory_gb: int | None, gb_per_s: float
) -> None:
    chip = find_chip("Apple M4 Max", gpu_cores, memory_gb)
    assert chip is not None
    assert chip.bandwidth_gb_per_s == gb_per_s


@pytest.mark.parametrize("name", ["m4 pro", "Apple M4 Pro", "M4-PRO", "APPLE M4 pro"])
def test_names_are_compared_without_maker_and_case(name: str) -> None:
    chip = find_chip(name)
    assert chip is not None
    assert chip.short_name == "M4 Pro"
    assert chip.gpu is GPU.METAL


@pytest.mark.parametrize("name", ["", "Apple", "M4 Ultra", "AMD EPYC", "NVIDIA GeForce"])
def test_other_names_mean_no_chip(name: str) -> None:
    assert find_chip(name) is None


def test_cards_are_nvidias() -> None:
    chip = find_chip("NVIDIA GeForce RTX 4090")
    assert chip is not None
    assert (chip.gpu, chip.short_name, chip.memory_gb) == (GPU.CUDA, "RTX 4090", (24,))


@pytest.mark.parametrize(
    ("name", "memory_gb", "gb_per_s"),
    [
        ("NVIDIA A100-SXM4-80GB", 80, 1935),
        ("NVIDIA A100-PCIE-40GB", 40, 1555),
        ("NVIDIA H100 80GB HBM3", 80, 3350),
        ("NVIDIA H200", 141, 4800),
    ],
)
def test_drivers_add_the_form_of_a_card(name: str, memory_gb: int, gb_per_s: float) -> None:
    chip = find_chip(name, None, memory_gb)
    assert chip is not None
    assert chip.bandwidth_gb_per_s == gb_per_s


@pytest.mark.parametrize(
    "name", ["NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 3060 Ti", "NVIDIA L40"]
)
def test_a_similar_card_is_another_card(name: str) -> None:
    assert find_chip(name) is None
