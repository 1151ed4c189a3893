"""The device MLX computes on: how weights are best held there, and how much fits."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import mlx.core as mx
import psutil

_BUFFER_POOL_BYTES = 2**30
_CUDNN_ATTENTION = "MLX_CUDA_USE_CUDNN_SDPA"


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
    def why_no_drafts(self) -> str:
        """Why passes of several rows cost more here than drafts gain; empty where they do not.

        With cuDNN's attention, MLX's CUDA build plans anew for every length of the KV cache that
        such a pass meets (github.com/ml-explore/mlx/pull/2743): tens of milliseconds each time.
        """
        if self.kind is not DeviceKind.CUDA or os.environ.get(_CUDNN_ATTENTION) == "0":
            return ""
        return (
            "MLX's CUDA build plans attention anew for every draft, which takes longer than drafts"
            f" save. Set {_CUDNN_ATTENTION}=0 to draft all the same; long prompts are then slower."
        )

    @property
    def prefill_chunk_tokens(self) -> int:
        """The most tokens of a pass that pay; the CPU gains nothing from longer ones."""
        return 64 if self.kind is DeviceKind.CPU else 2048


def current_device() -> Device:
    """The default device, with the memory that is free on it now."""
    if mx.default_device() == mx.Device(mx.cpu):
        return Device(DeviceKind.CPU, psutil.virtual_memory().available)
    kind = DeviceKind.METAL if mx.metal.is_available() else DeviceKind.CUDA
    taken = TakenMemory(mx.get_active_memory(), mx.get_cache_memory())
    available_bytes = accelerator_bytes(mx.device_info(), taken)
    if available_bytes is None:
        available_bytes = psutil.virtual_memory().available
    return Device(kind, available_bytes)


@dataclass(frozen=True, slots=True)
class TakenMemory:
    """What this process holds of a GPU's memory: in use, and freed but kept for the next use."""

    active_bytes: int
    pooled_bytes: int


def accelerator_bytes(facts: Mapping[str, str | int], taken: TakenMemory) -> int | None:
    """What weights and KV caches may take; None where the device does not say.

    On Metal, what is left of the working set that the system recommends: the memory that can be
    wired for the GPU. A graphics card says what is free, which what this process holds is not.

    Args:
        facts: `mx.device_info()`.
    """
    sizes = {key: value for key, value in facts.items() if isinstance(value, int) and value > 0}
    if (working_set := sizes.get("max_recommended_working_set_size")) is not None:
        return max(0, working_set - taken.active_bytes)
    if (free_bytes := sizes.get("free_memory")) is not None:
        return free_bytes + taken.pooled_bytes
    total_bytes = sizes.get("total_memory", sizes.get("memory_size"))
    return None if total_bytes is None else max(0, total_bytes - taken.active_bytes)


def limit_buffer_pool() -> None:
    """Freed buffers beyond this go back to the system; MLX's own limit is most of the memory."""
    mx.set_cache_limit(_BUFFER_POOL_BYTES)


_spare_streams: list[mx.Stream] = []
_own = threading.local()


def enter_thread() -> None:
    """Compute on a stream that an earlier thread has left, as the first thing here.

    Each stream of the CPU has a thread of its own, which MLX never ends. The main thread goes on
    with the stream it has.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main or hasattr(_own, "stream") or mx.default_device() != mx.Device(mx.cpu):
        return
    try:
        _own.stream = _spare_streams.pop()
    except IndexError:
        _own.stream = mx.new_thread_unsafe_stream(mx.cpu)  # used by one thread at a time
    mx.set_default_stream(_own.stream)


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
    if hasattr(_own, "stream"):
        _spare_streams.append(_own.stream)
        del _own.stream
    mx.clear_cache()
