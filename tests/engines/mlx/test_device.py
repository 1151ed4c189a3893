from __future__ import annotations

import subprocess
import sys

import pytest

from engines.mlx.device import (
    Device,
    DeviceKind,
    TakenMemory,
    accelerator_bytes,
    current_device,
)

GIB = 2**30
TAKEN = TakenMemory(active_bytes=2 * GIB, pooled_bytes=GIB)


@pytest.mark.parametrize(
    ("kind", "in_float32"),
    [(DeviceKind.CPU, True), (DeviceKind.METAL, False), (DeviceKind.CUDA, False)],
)
def test_only_the_cpu_gets_its_weights_in_float32(kind: DeviceKind, in_float32: bool) -> None:
    device = Device(kind, 2**30)
    assert device.computes_in_float32 is in_float32


def test_this_machine_has_a_device() -> None:
    assert current_device().available_bytes > 0


@pytest.mark.parametrize(
    ("facts", "available_gib"),
    [
        ({"max_recommended_working_set_size": 12 * GIB, "memory_size": 16 * GIB}, 10),
        ({"max_recommended_working_set_size": GIB, "memory_size": 16 * GIB}, 0),
        ({"free_memory": 70 * GIB, "total_memory": 80 * GIB}, 71),
        ({"total_memory": 80 * GIB}, 78),
        ({"memory_size": 16 * GIB, "device_name": "Apple M4"}, 14),
    ],
)
def test_what_a_gpu_has_left(facts: dict[str, str | int], available_gib: int) -> None:
    assert accelerator_bytes(facts, TAKEN) == available_gib * GIB


def test_a_gpu_that_tells_nothing() -> None:
    assert accelerator_bytes({"architecture": "x", "free_memory": 0}, TAKEN) is None


THREADS = """
import threading
import mlx.core as mx, psutil
from engines.mlx.device import enter_thread, leave_thread

def compute():
    enter_thread()
    mx.eval(mx.ones((64, 64)) @ mx.ones((64, 64)))
    leave_thread()

counts = []
for _ in range(10):
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    counts.append(psutil.Process().num_threads())
print(counts[-1] - counts[0])
"""


def test_a_thread_that_ends_leaves_its_stream_to_the_next() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert int(done.stdout) <= 2  # a thread that was joined may still be on its way out


def test_drafts_are_refused_where_attention_is_planned_anew_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLX_CUDA_USE_CUDNN_SDPA", raising=False)
    assert not Device(DeviceKind.METAL, 1).why_no_drafts
    assert not Device(DeviceKind.CPU, 1).why_no_drafts
    assert "MLX_CUDA_USE_CUDNN_SDPA=0" in Device(DeviceKind.CUDA, 1).why_no_drafts
    monkeypatch.setenv("MLX_CUDA_USE_CUDNN_SDPA", "0")
    assert not Device(DeviceKind.CUDA, 1).why_no_drafts
