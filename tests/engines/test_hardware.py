from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines import hardware_probes
from engines.bandwidth import APPLE_CHIPS, MemoryBandwidth
from engines.hardware import CACHE_FILE, Probes, read_machine
from engines.hardware_probes import GPU


class Measurement:
    """Stands for the measurement: gives `figures` in turn."""

    def __init__(self, *figures: float) -> None:
        self.figures = list(figures)
        self.threads = 0

    def __call__(self, threads: int, memory_available_bytes: int) -> float:
        self.threads = threads
        return self.figures.pop(0)


def probes(chip: str = "AMD EPYC", **changes: object) -> Probes:
    described = Probes(
        system=lambda: "Linux",
        architecture=lambda: "x86_64",
        chip=lambda: chip,
        translated=lambda: False,
        cores=lambda: (4, 8),
        memory=lambda: (32 * 2**30, 16 * 2**30),
        gpu=lambda: GPU.NONE,
        gpu_cores=lambda: None,
        cuda_engine=lambda: False,
        cuda_bandwidth=lambda: MemoryBandwidth(4.8e12, "driver"),
        measure=Measurement(30e9),
    )
    return replace(described, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chip", "gb_per_s"),
    [("Apple M1", 68.25), ("Apple M4", 120), ("Apple M4 Pro", 273), ("Apple M5", 153)],
)
def test_apple_chips_have_the_vendors_figure(tmp_path: Path, chip: str, gb_per_s: float) -> None:
    machine = read_machine(tmp_path, probes(chip, measure=Measurement()))
    assert machine.memory_bandwidth == MemoryBandwidth(gb_per_s * 1e9, "vendor")
    assert not (tmp_path / CACHE_FILE).exists()


@pytest.mark.parametrize(
    ("chip", "gpu_cores", "gb_per_s"),
    [
        ("Apple M4 Max", 32, 410),
        ("Apple M4 Max", 40, 546),
        ("Apple M4 Max", None, 546),
        ("Apple M3 Max", 30, 300),
        ("Apple M4 Pro", 16, 273),
    ],
)
def test_the_smaller_max_chips_have_a_narrower_bus(
    tmp_path: Path, chip: str, gpu_cores: int | None, gb_per_s: float
) -> None:
    machine = read_machine(tmp_path, probes(chip, gpu_cores=lambda: gpu_cores))
    assert machine.memory_bandwidth_bytes_per_s == gb_per_s * 1e9


def test_better_chips_of_a_generation_are_not_slower() -> None:
    for generation in "12345":
        family = [f"Apple M{generation}{size}" for size in ("", " Pro", " Max", " Ultra")]
        figures = [APPLE_CHIPS[chip] for chip in family if chip in APPLE_CHIPS]
        assert figures == sorted(figures)


def test_other_machines_are_measured_once(tmp_path: Path) -> None:
    measure = Measurement(30e9)
    first = read_machine(tmp_path, probes(measure=measure))
    second = read_machine(tmp_path, probes(measure=Measurement()))
    assert first.memory_bandwidth == second.memory_bandwidth == MemoryBandwidth(30e9, "measured")
    assert measure.threads == 4


def test_a_machine_with_other_memory_is_measured_anew(tmp_path: Path) -> None:
    read_machine(tmp_path, probes(measure=Measurement(30e9)))
    changed = probes(measure=Measurement(50e9), memory=lambda: (64 * 2**30, 2**30))
    assert read_machine(tmp_path, changed).memory_bandwidth_bytes_per_s == 50e9


def test_measuring_again_keeps_the_best(tmp_path: Path) -> None:
    read_machine(tmp_path, probes(measure=Measurement(30e9)))
    for figure, best in ((20e9, 30e9), (40e9, 40e9)):
        again = probes(measure=Measurement(figure))
        machine = read_machine(tmp_path, again, measure_again=True)
        assert machine.memory_bandwidth_bytes_per_s == best


@pytest.mark.parametrize("text", ["", "no json", "[1]", '{"AMD EPYC|8|34359738368": "fast"}'])
def test_a_damaged_cache_is_measured_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / CACHE_FILE).write_text(text)
    machine = read_machine(tmp_path, probes())
    assert machine.memory_bandwidth_bytes_per_s == 30e9


def test_a_cache_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_machine(tmp_path / "file", probes()).memory_bandwidth is not None


def test_cuda_counts_where_an_engine_is_built_for_it(tmp_path: Path) -> None:
    with_gpu = probes(gpu=lambda: GPU.CUDA)
    assert read_machine(tmp_path, with_gpu).memory_bandwidth_bytes_per_s == 30e9
    with_engine = replace(with_gpu, cuda_engine=lambda: True)
    assert read_machine(tmp_path, with_engine).memory_bandwidth_bytes_per_s == 4.8e12


def test_an_unknown_bandwidth_is_none(tmp_path: Path) -> None:
    machine = read_machine(tmp_path, probes(measure=Measurement(0.0)))
    assert machine.memory_bandwidth is None
    assert machine.memory_bandwidth_bytes_per_s is None


def test_this_machine_is_described() -> None:
    physical, logical = hardware_probes.core_counts()
    total, available = hardware_probes.memory_sizes()
    assert physical is None or physical > 0
    assert logical > 0
    assert 0 < available <= total
    assert hardware_probes.chip_name()
    assert hardware_probes.find_gpu() in GPU


def test_this_machines_memory_can_be_measured() -> None:
    figure = hardware_probes.measure_main_memory(1, 256 * 2**20)
    assert 1e8 < figure < 1e13
