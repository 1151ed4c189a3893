"""Questions to the GPU's own driver: Metal's on a Mac, CUDA's elsewhere, without their toolkits."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass

from engines.bandwidth import MemoryBandwidth

_METAL = "/System/Library/Frameworks/Metal.framework/Metal"
_OBJECTIVE_C = "/usr/lib/libobjc.A.dylib"
_CUDA_MEMORY_CLOCK_KHZ = 36
_CUDA_BUS_WIDTH_BITS = 37
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """An NVIDIA GPU as its driver describes it; `memory_bandwidth` is None where it does not."""

    name: str
    memory_bytes: int
    memory_bandwidth: MemoryBandwidth | None


def metal_working_set_bytes() -> int | None:
    """Metal's `recommendedMaxWorkingSetSize`: what the GPU may keep in memory at most.

    None where there is no Metal device, or the system does not say.
    """
    if platform.system() != "Darwin":
        return None
    try:
        metal, objc = ctypes.CDLL(_METAL), ctypes.CDLL(_OBJECTIVE_C)
        create = metal.MTLCreateSystemDefaultDevice
        create.restype = ctypes.c_void_p
        select = objc.sel_registerName
        select.argtypes, select.restype = [ctypes.c_char_p], ctypes.c_void_p
        device = create()
        if not device:
            return None
        ask = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)(
            ("objc_msgSend", objc)
        )
        return int(ask(device, select(b"recommendedMaxWorkingSetSize"))) or None
    except (OSError, AttributeError):
        return None


def cuda_device() -> CudaDevice | None:
    """The first CUDA device; None without a driver or a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    name = ctypes.create_string_buffer(_NAME_BYTES)
    memory_bytes = ctypes.c_size_t()
    if driver.cuDeviceGetName(name, _NAME_BYTES, device) or driver.cuDeviceTotalMem_v2(
        ctypes.byref(memory_bytes), device
    ):
        return None
    return CudaDevice(
        name.value.decode(errors="replace"), memory_bytes.value, _cuda_bandwidth(driver, device)
    )


def _cuda_bandwidth(driver: ctypes.CDLL, device: ctypes.c_int) -> MemoryBandwidth | None:
    """Twice the memory clock times the bus width, two transfers a clock: NVIDIA's formula for the
    theoretical bandwidth (developer blog, "How to Implement Performance Metrics in CUDA C/C++").
    """
    values = []
    for attribute in (_CUDA_MEMORY_CLOCK_KHZ, _CUDA_BUS_WIDTH_BITS):
        value = ctypes.c_int()
        if driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            return None
        values.append(value.value)
    bytes_per_s = 2 * values[0] * 1000 * values[1] / 8
    return MemoryBandwidth(bytes_per_s, "driver") if bytes_per_s else None
