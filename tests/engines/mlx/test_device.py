from __future__ import annotations

import pytest

from engines.mlx.device import Device, DeviceKind, current_device


@pytest.mark.parametrize(
    ("kind", "in_float32"),
    [(DeviceKind.CPU, True), (DeviceKind.METAL, False), (DeviceKind.CUDA, False)],
)
def test_only_the_cpu_gets_its_weights_in_float32(kind: DeviceKind, in_float32: bool) -> None:
    device = Device(kind, 2**30)
    assert device.computes_in_float32 is in_float32
    assert device.prefill_chunk_tokens < 1024


def test_this_machine_has_a_device() -> None:
    assert current_device().available_bytes > 0
