"""What this machine is: chip, cores, memory, GPU, memory bandwidth.

    machine = read_machine(cache_folder)
    machine.memory_bandwidth.bytes_per_s

Every fact comes from a probe, a plain function, so that a test can describe any machine.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engines import hardware_probes
from engines.bandwidth import (
    BandwidthCache,
    MemoryBandwidth,
    apple_bandwidth,
    comes_in_two_sizes,
    cuda_bandwidth,
)
from engines.hardware_probes import GPU

CACHE_FILE = "memory_bandwidth.json"


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
        gpu_cores: Asked for only where chips of the same name differ in it.
        memory_bandwidth: Of the memory that decode reads weights from: the GPU's where an engine
            built for CUDA is installed, else main (on a Mac: unified) memory; None if unknown.
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

    @property
    def memory_bandwidth_bytes_per_s(self) -> float | None:
        return self.memory_bandwidth.bytes_per_s if self.memory_bandwidth else None

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
    gpu: Callable[[], GPU] = hardware_probes.find_gpu
    gpu_cores: Callable[[], int | None] = hardware_probes.apple_gpu_cores
    cuda_engine: Callable[[], bool] = hardware_probes.has_cuda_engine
    cuda_bandwidth: Callable[[], MemoryBandwidth | None] = cuda_bandwidth
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
    gpu_cores = probes.gpu_cores() if comes_in_two_sizes(chip) else None
    bandwidth = apple_bandwidth(chip, gpu_cores)
    if bandwidth is None and gpu is GPU.CUDA and probes.cuda_engine():
        bandwidth = probes.cuda_bandwidth()
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
    )
