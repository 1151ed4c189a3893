"""The memory that llama.cpp can take, on a GPU where there is one."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from engines.llama_cpp.library import llama

_GPU_TYPES = (1, 2)
"""GGML_BACKEND_DEVICE_TYPE_GPU, and _IGPU, which shares the machine's memory."""


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """Bytes that are free now.

    Args:
        ram_bytes: Of the machine.
        gpu_bytes: What weights and KV caches may take on the GPUs; None where the processor
            computes. On Metal, what is left of the working set that the system recommends.
        spill_bytes: Beside that, for layers that the processor computes.
    """

    ram_bytes: int
    gpu_bytes: int | None = None
    spill_bytes: int = 0

    @property
    def model_bytes(self) -> int:
        """For weights, KV caches and buffers."""
        return self.ram_bytes if self.gpu_bytes is None else self.gpu_bytes

    def less(self, model_bytes: int) -> FreeMemory:
        """What is left once a model has taken `model_bytes`."""
        if self.gpu_bytes is None:
            return FreeMemory(self.ram_bytes - model_bytes)
        gpu_bytes = self.gpu_bytes - model_bytes
        return FreeMemory(self.ram_bytes, max(0, gpu_bytes), self.spill_bytes + min(0, gpu_bytes))


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """What the library tells of one GPU."""

    free_bytes: int
    total_bytes: int


def free_memory() -> FreeMemory:
    gpus = list(_gpus()) if llama.llama_supports_gpu_offload() else []
    return combined(psutil.virtual_memory().available, gpus, platform.system() == "Darwin")


def combined(ram_bytes: int, gpus: list[GpuMemory], is_unified: bool) -> FreeMemory:
    """The GPUs together; `is_unified` where they take the machine's own memory, as on a Mac."""
    known = [gpu for gpu in gpus if gpu.total_bytes > 0]
    if not known:
        return FreeMemory(ram_bytes)
    gpu_bytes = sum(max(0, min(gpu.free_bytes, gpu.total_bytes)) for gpu in known)
    if is_unified:
        return FreeMemory(min(ram_bytes, gpu_bytes), gpu_bytes, max(0, ram_bytes - gpu_bytes))
    return FreeMemory(ram_bytes, gpu_bytes, ram_bytes)


def _gpus() -> Iterator[GpuMemory]:
    """llama-cpp-python loads ggml and binds none of its device functions."""
    library = _ggml()
    for index in range(library.ggml_backend_dev_count()):
        device = library.ggml_backend_dev_get(index)
        if library.ggml_backend_dev_type(device) in _GPU_TYPES:
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            library.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            yield GpuMemory(free.value, total.value)


def _ggml() -> Any:
    from llama_cpp import _ggml

    library: Any = _ggml.libggml
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    library.ggml_backend_dev_get.restype = ctypes.c_void_p
    library.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    library.ggml_backend_dev_memory.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.POINTER(ctypes.c_size_t),
    ]
    library.ggml_backend_dev_memory.restype = None
    return library
