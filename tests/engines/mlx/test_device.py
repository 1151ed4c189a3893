"""What is decided before a weight is read."""

from __future__ import annotations

import pytest

from engines.errors import NotEnoughMemory
from engines.mlx.device import Device, DeviceKind, current_device, fitting_window_tokens

GIB = 2**30


def window(wanted: int | None, own: int = 32_768, weights: int = 2 * GIB) -> int:
    return fitting_window_tokens(Device(DeviceKind.METAL, 4 * GIB), weights, 100_000, wanted, own)


@pytest.mark.parametrize(
    ("kind", "in_float32"),
    [(DeviceKind.CPU, True), (DeviceKind.METAL, False), (DeviceKind.CUDA, False)],
)
def test_only_the_cpu_gets_its_weights_in_float32(kind: DeviceKind, in_float32: bool) -> None:
    device = Device(kind, GIB)
    assert device.computes_in_float32 is in_float32
    assert device.prefill_chunk_tokens < 1024


def test_the_wanted_window_is_used_when_it_fits() -> None:
    assert window(8192) == 8192
    assert window(None, own=4096) == 4096


def test_a_model_with_a_huge_window_gets_what_fits() -> None:
    fitting = window(None, own=1_000_000)
    assert 8192 < fitting < 32_768
    assert fitting % 256 == 0


def test_a_window_that_does_not_fit_says_which_would() -> None:
    with pytest.raises(NotEnoughMemory, match="1,000,000 tokens") as error:
        window(1_000_000)
    assert "at most" in error.value.hint


def test_weights_that_do_not_fit_are_refused() -> None:
    for wanted in (None, 4096):
        with pytest.raises(NotEnoughMemory, match=r"takes 4\.00 GiB"):
            window(wanted, weights=4 * GIB)


def test_this_machine_has_a_device() -> None:
    assert current_device().available_bytes > 0
