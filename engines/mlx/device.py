"""The device MLX computes on: how weights are best held there, and how much fits."""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from enum import StrEnum

import mlx.core as mx
import psutil

_BUFFER_POOL_BYTES = 2**30


class DeviceKind(StrEnum):
    CPU = "cpu"
    METAL = "metal"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True)
class Device:
    """Where to compute; `available_bytes` is what weights and KV caches may take there."""

    kind: DeviceKind
    available_bytes: int

    @property
    def computes_in_float32(self) -> bool:
        """The CPU backend multiplies quantized and half-precision matrices 10 to 50 times slower
        than float32 ones, so it gets the weights in float32."""
        return self.kind is DeviceKind.CPU

    @property
    def prefill_chunk_tokens(self) -> int:
        """Tokens between two looks at the cancel flag; the CPU gains nothing from longer ones."""
        return 64 if self.kind is DeviceKind.CPU else 512


def current_device() -> Device:
    """The default device, with the memory that is free on it now."""
    if mx.default_device() == mx.Device(mx.cpu):
        return Device(DeviceKind.CPU, psutil.virtual_memory().available)
    kind = DeviceKind.METAL if mx.metal.is_available() else DeviceKind.CUDA
    return Device(kind, _accelerator_bytes(mx.device_info()) - mx.get_active_memory())


def _accelerator_bytes(facts: dict[str, str | int]) -> int:
    for key in ("max_recommended_working_set_size", "free_memory", "total_memory", "memory_size"):
        value = facts.get(key)
        if isinstance(value, int) and value > 0:
            return value
    return psutil.virtual_memory().available


def limit_buffer_pool() -> None:
    """Freed buffers beyond this go back to the system; MLX's own limit is most of the memory."""
    mx.set_cache_limit(_BUFFER_POOL_BYTES)


def leave_thread() -> None:
    """End MLX's work on this thread, as the last thing the thread does with it.

    A thread that ends with streams of its own can take the process with it. The main thread may
    go on to load another model, which it could not without its streams: it drops them at exit.
    """
    mx.synchronize()
    if threading.current_thread() is threading.main_thread():
        atexit.unregister(mx.clear_streams)
        atexit.register(mx.clear_streams)
    else:
        mx.clear_streams()
    mx.clear_cache()
