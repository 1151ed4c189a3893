"""Questions to the operating system about this machine, one function each."""

from __future__ import annotations

import os
import platform
import plistlib
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from engines.bandwidth import measure_read_bandwidth

_MIB = 1024 * 1024
_SMALLEST_BUFFER_BYTES = 256 * _MIB
_LARGEST_BUFFER_BYTES = 1024 * _MIB
_CPU_CACHES = Path("/sys/devices/system/cpu")
_LINUX_PRESSURE = Path("/proc/pressure/memory")


class GPU(StrEnum):
    METAL = "metal"
    CUDA = "cuda"
    NONE = "none"


class MemoryPressure(StrEnum):
    """How hard the system works to keep memory free, in macOS's three levels."""

    NORMAL = "normal"
    WARNING = "warning"
    CRITICAL = "critical"


_DARWIN_PRESSURE = {
    "1": MemoryPressure.NORMAL,
    "2": MemoryPressure.WARNING,
    "4": MemoryPressure.CRITICAL,
}


def _sysctl(name: str) -> str:
    """A macOS kernel value; empty where there is none."""
    return _output(["/usr/sbin/sysctl", "-n", name]).decode(errors="replace").strip()


def _output(command: list[str]) -> bytes:
    try:
        return subprocess.run(command, capture_output=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return b""


def chip_name() -> str:
    if platform.system() == "Darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "Hardware"):
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def is_translated() -> bool:
    return platform.system() == "Darwin" and _sysctl("sysctl.proc_translated") == "1"


def core_counts() -> tuple[int | None, int]:
    """Physical and logical cores; logical ones are those this process may use."""
    import psutil

    return psutil.cpu_count(logical=False), _usable_cores()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_sizes() -> tuple[int, int]:
    """Total and available bytes."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.total, memory.available


def memory_pressure() -> MemoryPressure:
    """On Linux: the share of the last ten seconds in which programs waited for memory."""
    if platform.system() == "Darwin":
        level = _sysctl("kern.memorystatus_vm_pressure_level")
        return _DARWIN_PRESSURE.get(level, MemoryPressure.NORMAL)
    try:
        line = _LINUX_PRESSURE.read_text(encoding="ascii").splitlines()[0]
        waiting_percent = float(line.split("avg10=")[1].split()[0])
    except (OSError, ValueError, IndexError):
        return MemoryPressure.NORMAL
    if waiting_percent >= 20:
        return MemoryPressure.CRITICAL
    return MemoryPressure.WARNING if waiting_percent >= 5 else MemoryPressure.NORMAL


def system_version() -> str:
    """`26.1` on macOS, the kernel's version elsewhere."""
    return platform.mac_ver()[0] or platform.release()


def is_remote_shell(environment: Mapping[str, str] = os.environ) -> bool:
    """True where this shell was reached over SSH."""
    return bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))


def wired_limit_bytes() -> int | None:
    """The GPU's share of memory where someone has set it (`iogpu.wired_limit_mb`), else None."""
    if platform.system() != "Darwin":
        return None
    megabytes = _sysctl("iogpu.wired_limit_mb")
    return int(megabytes) * _MIB if megabytes.isdigit() and int(megabytes) else None


def find_gpu() -> GPU:
    if platform.system() == "Darwin":
        is_apple_silicon = platform.machine() == "arm64" or is_translated()
        return GPU.METAL if is_apple_silicon else GPU.NONE
    return GPU.CUDA if Path("/proc/driver/nvidia/version").exists() else GPU.NONE


def apple_gpu_cores() -> int | None:
    """Cores of an Apple GPU, which tell the two sizes of a Max chip apart."""
    if platform.system() != "Darwin":
        return None
    try:
        entries = plistlib.loads(_output(["/usr/sbin/ioreg", "-a", "-r", "-c", "AGXAccelerator"]))
    except (plistlib.InvalidFileException, ValueError):
        return None
    counts = [entry.get("gpu-core-count") for entry in entries if isinstance(entry, dict)]
    return next((count for count in counts if isinstance(count, int)), None)


def has_cuda_engine() -> bool:
    """True where MLX or llama.cpp is installed in its CUDA build."""
    for name in ("mlx-cuda", "mlx-cuda-12", "mlx-cuda-13"):
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        return True
    spec = find_spec("llama_cpp")
    folders = spec.submodule_search_locations if spec else None
    return any(any(Path(folder).glob("lib/libggml-cuda*")) for folder in folders or ())


def last_level_cache_bytes() -> int:
    """Last-level caches of all processors together; 0 where it cannot be told."""
    caches: dict[str, int] = {}
    for folder in _CPU_CACHES.glob("cpu[0-9]*/cache/index3"):
        try:
            shared_by = (folder / "shared_cpu_list").read_text().strip()
            size = (folder / "size").read_text().strip()
            caches[shared_by] = int(size.removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    return sum(caches.values())


def measure_main_memory(threads: int, memory_available_bytes: int) -> float:
    """Read bandwidth of main memory with all cores at work, in bytes per second."""
    wanted = max(_SMALLEST_BUFFER_BYTES, 4 * last_level_cache_bytes())
    room = max(16 * _MIB, memory_available_bytes // 8)
    return measure_read_bandwidth(threads, min(wanted, _LARGEST_BUFFER_BYTES, room))
