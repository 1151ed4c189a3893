"""What this machine is: chip, cores, memory, GPU, memory bandwidth.

    machine = read_machine(cache_folder)
    machine.memory_bandwidth.bytes_per_s

Every fact comes from a probe, a plain function, so that a test can describe any machine. A user
does the same in words: `engines.described_machine`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engines import gpu_device, hardware_probes
from engines.bandwidth import GB, BandwidthCache, MemoryBandwidth
from engines.chips import Chip, find_chip
from engines.gpu_device import CudaDevice
from engines.hardware_probes import GPU, MemoryPressure

CACHE_FILE = "memory_bandwidth.json"
GIB = 2**30

_LARGE_MAC_BYTES = 36 * GIB


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as the engines see it.

    Args:
        chip: The processor's name, e.g. `Apple M4 Pro`.
        system: `Darwin` or `Linux`.
        architecture: Of the running Python: `arm64`, `x86_64`, `aarch64`.
        is_translated: True for an x86 Python under Rosetta on Apple Silicon.
        physical_cores: None where it cannot be told.
        memory_available_bytes: At the time of reading.
        gpu_cores: Of an Apple GPU.
        memory_bandwidth: Of the memory that decode reads weights from: the GPU's where an engine
            built for CUDA is installed, else main (on a Mac: unified) memory; None if unknown.
        gpu_name: Of a GPU with memory of its own that an engine here is built for.
        gpu_memory_bytes: Of that GPU.
        working_set_bytes: What Metal lets the GPU keep in memory; None without Metal.
        system_version: Of macOS (`26.1`), or of the kernel.
        is_remote: The shell was reached over SSH.
        is_described: Nobody has looked at it: somebody has asked what it would do.
    """

    chip: str
    system: str
    architecture: str
    is_translated: bool
    physical_cores: int | None
    logical_cores: int
    memory_total_bytes: int
    memory_available_bytes: int
    gpu: GPU
    gpu_cores: int | None
    memory_bandwidth: MemoryBandwidth | None
    gpu_name: str = ""
    gpu_memory_bytes: int | None = None
    working_set_bytes: int | None = None
    memory_pressure: MemoryPressure = MemoryPressure.NORMAL
    system_version: str = ""
    is_remote: bool = False
    is_described: bool = False

    @property
    def memory_bandwidth_bytes_per_s(self) -> float | None:
        return self.memory_bandwidth.bytes_per_s if self.memory_bandwidth else None

    @property
    def model_memory_bytes(self) -> int:
        """The memory that a model must fit into: a discrete GPU's own, else all there is."""
        return self.gpu_memory_bytes or self.memory_total_bytes

    @property
    def known_chip(self) -> Chip | None:
        """What the table says about the chip that computes; None for one that is not in it."""
        memory_gb = round(self.model_memory_bytes / GIB)
        return find_chip(self.gpu_name or self.chip, self.gpu_cores, memory_gb)

    @property
    def label(self) -> str:
        """`M4 Pro, 24 GB`."""
        chip = self.known_chip
        name = chip.short_name if chip else self.gpu_name or self.chip
        return f"{name}, {self.model_memory_bytes / GIB:.0f} GB"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Probes:
    """Where the facts come from."""

    system: Callable[[], str] = platform.system
    architecture: Callable[[], str] = platform.machine
    chip: Callable[[], str] = hardware_probes.chip_name
    translated: Callable[[], bool] = hardware_probes.is_translated
    cores: Callable[[], tuple[int | None, int]] = hardware_probes.core_counts
    memory: Callable[[], tuple[int, int]] = hardware_probes.memory_sizes
    pressure: Callable[[], MemoryPressure] = hardware_probes.memory_pressure
    gpu: Callable[[], GPU] = hardware_probes.find_gpu
    gpu_cores: Callable[[], int | None] = hardware_probes.apple_gpu_cores
    wired_limit: Callable[[], int | None] = hardware_probes.wired_limit_bytes
    metal_working_set: Callable[[], int | None] = gpu_device.metal_working_set_bytes
    cuda_engine: Callable[[], bool] = hardware_probes.has_cuda_engine
    cuda_device: Callable[[], CudaDevice | None] = gpu_device.cuda_device
    system_version: Callable[[], str] = hardware_probes.system_version
    remote: Callable[[], bool] = hardware_probes.is_remote_shell
    measure: Callable[[int, int], float] = hardware_probes.measure_main_memory


def read_machine(
    cache_folder: Path, probes: Probes = Probes(), measure_again: bool = False
) -> Machine:
    """Describe this machine.

    A machine whose bandwidth nobody publishes is measured once, in under a second, and the figure
    kept in `cache_folder`.

    Args:
        measure_again: Do not trust the kept figure alone.
    """
    physical, logical = probes.cores()
    total, available = probes.memory()
    chip, gpu = probes.chip(), probes.gpu()
    gpu_cores = probes.gpu_cores() if gpu is GPU.METAL else None
    device = probes.cuda_device() if gpu is GPU.CUDA and probes.cuda_engine() else None
    bandwidth = device.memory_bandwidth if device else None
    bandwidth = bandwidth or published_bandwidth(
        device.name if device else chip, gpu_cores, device.memory_bytes if device else total
    )
    if bandwidth is None:
        cache = BandwidthCache(cache_folder / CACHE_FILE)
        ask = cache.measure_again if measure_again else cache.get_or_measure
        threads = min(physical or logical, logical)
        figure = ask(f"{chip}|{logical}|{total}", partial(probes.measure, threads, available))
        bandwidth = MemoryBandwidth(figure, "measured") if figure else None
    return Machine(
        chip=chip,
        system=probes.system(),
        architecture=probes.architecture(),
        is_translated=probes.translated(),
        physical_cores=physical,
        logical_cores=logical,
        memory_total_bytes=total,
        memory_available_bytes=available,
        gpu=gpu,
        gpu_cores=gpu_cores,
        memory_bandwidth=bandwidth,
        gpu_name=device.name if device else "",
        gpu_memory_bytes=device.memory_bytes if device else None,
        working_set_bytes=_working_set(probes, total) if gpu is GPU.METAL else None,
        memory_pressure=probes.pressure(),
        system_version=probes.system_version(),
        is_remote=probes.remote(),
    )


def published_bandwidth(
    chip: str, gpu_cores: int | None, memory_bytes: int
) -> MemoryBandwidth | None:
    """The vendor's figure; None for chips that are not in the table."""
    known = find_chip(chip, gpu_cores, round(memory_bytes / GIB))
    return MemoryBandwidth(known.bandwidth_gb_per_s * GB, "vendor") if known else None


def usual_working_set_bytes(memory_total_bytes: int) -> int:
    """What Metal recommends where it cannot be asked: two thirds, on large Macs three quarters.

    As llama.cpp's log reports it on Macs of 16 GB (11,453 MB), 24 GB (17,180 MB) and 64 GB
    (51,540 MB). Newer versions of macOS allow a little more.
    """
    if memory_total_bytes < _LARGE_MAC_BYTES:
        return memory_total_bytes * 2 // 3
    return memory_total_bytes * 3 // 4


def _working_set(probes: Probes, memory_total_bytes: int) -> int:
    return (
        probes.wired_limit()
        or probes.metal_working_set()
        or usual_working_set_bytes(memory_total_bytes)
    )
