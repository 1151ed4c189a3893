from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines import hardware_probes
from engines.bandwidth import MemoryBandwidth
from engines.gpu_device import CudaDevice
from engines.hardware import CACHE_FILE, Probes, read_machine, usual_working_set_bytes
from engines.hardware_probes import GPU, MemoryPressure

GIB = 2**30
H200 = CudaDevice("NVIDIA H200", 141 * GIB, MemoryBandwidth(4.8e12, "driver"))


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
        pressure=lambda: MemoryPressure.NORMAL,
        gpu=lambda: GPU.NONE,
        gpu_cores=lambda: None,
        wired_limit=lambda: None,
        metal_working_set=lambda: None,
        cuda_engine=lambda: False,
        cuda_device=lambda: H200,
        system_version=lambda: "6.1",
        remote=lambda: False,
        measure=Measurement(30e9),
    )
    return replace(described, **changes)  # type: ignore[arg-type]


def mac(chip: str, **changes: object) -> Probes:
    return probes(chip, gpu=lambda: GPU.METAL, **changes)


@pytest.mark.parametrize(
    ("chip", "gb_per_s"),
    [("Apple M1", 68.25), ("Apple M4", 120), ("Apple M4 Pro", 273), ("Apple M5", 153)],
)
def test_apple_chips_have_the_vendors_figure(tmp_path: Path, chip: str, gb_per_s: float) -> None:
    machine = read_machine(tmp_path, mac(chip, measure=Measurement()))
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
    machine = read_machine(tmp_path, mac(chip, gpu_cores=lambda: gpu_cores))
    assert machine.memory_bandwidth_bytes_per_s == gb_per_s * 1e9
    assert machine.gpu_cores == gpu_cores


def test_the_working_set_is_metals_unless_somebody_has_set_another(tmp_path: Path) -> None:
    asked = mac("Apple M4", metal_working_set=lambda: 22 * GIB)
    assert read_machine(tmp_path, asked).working_set_bytes == 22 * GIB
    raised = replace(asked, wired_limit=lambda: 28 * GIB)
    assert read_machine(tmp_path, raised).working_set_bytes == 28 * GIB
    unasked = read_machine(tmp_path, mac("Apple M4"))
    assert unasked.working_set_bytes == usual_working_set_bytes(32 * GIB)
    assert read_machine(tmp_path, probes()).working_set_bytes is None


@pytest.mark.parametrize(
    ("memory_gib", "llama_cpp_logs_mb"), [(16, 11453.25), (24, 17179.87), (64, 51539.61)]
)
def test_the_usual_working_set_is_what_metal_reports(
    memory_gib: int, llama_cpp_logs_mb: float
) -> None:
    assert usual_working_set_bytes(memory_gib * GIB) / 1e6 == pytest.approx(
        llama_cpp_logs_mb, abs=0.1
    )


def test_the_rest_of_the_machine_is_described(tmp_path: Path) -> None:
    machine = read_machine(
        tmp_path,
        mac(
            "Apple M4 Pro",
            system_version=lambda: "26.1",
            remote=lambda: True,
            pressure=lambda: MemoryPressure.WARNING,
            memory=lambda: (24 * GIB, 8 * GIB),
        ),
    )
    assert (machine.system_version, machine.is_remote) == ("26.1", True)
    assert machine.memory_pressure is MemoryPressure.WARNING
    assert machine.label == "M4 Pro, 24 GB"
    assert machine.model_memory_bytes == 24 * GIB
    assert not machine.is_described
    assert machine.to_json()["memory_pressure"] == "warning"


@pytest.mark.parametrize(
    ("environment", "is_remote"),
    [
        ({}, False),
        ({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, True),
        ({"SSH_TTY": "/dev/pts/1"}, True),
    ],
)
def test_a_shell_over_ssh_is_remote(environment: dict[str, str], is_remote: bool) -> None:
    assert hardware_probes.is_remote_shell(environment) is is_remote


@pytest.mark.parametrize(
    ("line", "pressure"),
    [
        ("some avg10=0.00 avg60=0.00 avg300=0.00 total=0", MemoryPressure.NORMAL),
        ("some avg10=7.50 avg60=0.00 avg300=0.00 total=1", MemoryPressure.WARNING),
        ("some avg10=44.1 avg60=9.00 avg300=1.00 total=2", MemoryPressure.CRITICAL),
        ("no such figure", MemoryPressure.NORMAL),
        ("", MemoryPressure.NORMAL),
    ],
)
def test_linux_tells_how_long_programs_waited_for_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, pressure: MemoryPressure
) -> None:
    file = tmp_path / "memory"
    file.write_text(f"{line}\nfull avg10=0.00")
    monkeypatch.setattr(hardware_probes, "_LINUX_PRESSURE", file)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert hardware_probes.memory_pressure() is pressure


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
    machine = read_machine(tmp_path, with_engine)
    assert machine.memory_bandwidth_bytes_per_s == 4.8e12
    assert machine.model_memory_bytes == 141 * GIB
    assert machine.label == "H200, 141 GB"


def test_a_driver_without_a_figure_gets_the_data_sheets(tmp_path: Path) -> None:
    silent = replace(H200, name="NVIDIA GeForce RTX 4090", memory_bandwidth=None)
    card = probes(gpu=lambda: GPU.CUDA, cuda_engine=lambda: True, cuda_device=lambda: silent)
    machine = read_machine(tmp_path, card)
    assert machine.memory_bandwidth == MemoryBandwidth(1008e9, "vendor")


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
