from __future__ import annotations

from pathlib import Path

import pytest

from engines.described_machine import VARIABLE, choose_machine, parse_machine
from engines.errors import UnknownMachine
from engines.hardware_probes import GPU

GIB = 2**30


@pytest.mark.parametrize(
    ("words", "chip", "memory_gb", "gb_per_s", "gpu_cores"),
    [
        ("M4 Pro 48GB", "Apple M4 Pro", 48, 273, 20),
        ("m4 pro 48 gb", "Apple M4 Pro", 48, 273, 20),
        ("Apple M4 32 GiB", "Apple M4", 32, 120, 10),
        ("M4 Max 40-core 128GB", "Apple M4 Max", 128, 546, 40),
        ("M4 Max, 32 GPU cores, 36GB", "Apple M4 Max", 36, 410, 32),
        ("M4 Max 36GB", "Apple M4 Max", 36, 410, 32),
        ("48GB M5 Max", "Apple M5 Max", 48, 614, 40),
        ("M3 Ultra 512GB", "Apple M3 Ultra", 512, 819, 80),
        ("RTX 4090 24GB", "NVIDIA GeForce RTX 4090", 24, 1008, None),
        ("rtx 4090", "NVIDIA GeForce RTX 4090", 24, 1008, None),
        ("A100 40GB", "NVIDIA A100", 40, 1555, None),
        ("EPYC 9354 64GB 200GB/s", "EPYC 9354", 64, 200, None),
        ("GH200 96GB 4TB/s", "GH200", 96, 4000, None),
    ],
)
def test_a_machine_in_words(
    words: str, chip: str, memory_gb: int, gb_per_s: float, gpu_cores: int | None
) -> None:
    machine = parse_machine(words)
    assert machine.chip == chip
    assert machine.memory_total_bytes == memory_gb * GIB
    assert machine.memory_bandwidth_bytes_per_s == gb_per_s * 1e9
    assert machine.gpu_cores == gpu_cores
    assert machine.is_described


def test_a_mac_has_metal_and_a_card_its_own_memory() -> None:
    mac, card = parse_machine("M4 16GB"), parse_machine("RTX 4090")
    assert (mac.gpu, mac.system, mac.gpu_memory_bytes) == (GPU.METAL, "Darwin", None)
    assert mac.working_set_bytes == 16 * GIB * 2 // 3
    assert (card.gpu, card.gpu_memory_bytes, card.working_set_bytes) == (GPU.CUDA, 24 * GIB, None)
    assert parse_machine("EPYC 64GB 200GB/s").gpu is GPU.NONE


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("M4 Prp 24GB", "'M4 Prp'", "Did you mean M4 Pro?"),
        ("rtx 4090ti 24gb", "rtx 4090ti", "Did you mean RTX 4090?"),
        ("M4 Pro", "how much memory", "M4 Pro comes with 24 GB or 48 GB or 64 GB."),
        ("M4 Max 20-core 64GB", "no M4 Max with 20", "32 or 40"),
        ("Cray 64GB", "'Cray'", "200GB/s"),
        ("EPYC 200GB/s", "how much memory", "M4 Pro 48GB"),
        ("64GB", "names no chip", "M4 Pro 48GB"),
    ],
)
def test_words_that_mean_none_say_what_to_write(words: str, message: str, hint: str) -> None:
    with pytest.raises(UnknownMachine) as error:
        parse_machine(words)
    assert message in error.value.message
    assert hint in error.value.hint


def test_the_option_goes_before_the_variable_and_that_before_this_machine(tmp_path: Path) -> None:
    environment = {VARIABLE: "M4 16GB"}
    assert choose_machine("M4 32GB", tmp_path, environment).label == "M4, 32 GB"
    assert choose_machine(None, tmp_path, environment).label == "M4, 16 GB"
    assert not choose_machine(None, tmp_path, {VARIABLE: " "}).is_described
