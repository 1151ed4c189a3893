"""The tables of "Apple Silicon LLM Inference Optimization: The Complete Guide", by our formulas.

Each table has its tolerance beside it. Rows in which the guide disagrees with its own formula are
in `docs/fit.md`; here they are asserted to disagree, so that the page stays true.
"""

from __future__ import annotations

import pytest

from engines.chips import find_chip
from engines.described_machine import parse_machine
from engines.fit import fit_model
from engines.fit_question import WEIGHTS_SHARE, FitQuestion, Verdict
from engines.model_shape import AttentionLayers, ModelShape, weights_by_bits
from engines.quantization import find_quantization
from engines.speed import estimate_speed

GIB = 2**30
QUANTIZATIONS = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")


def dense(parameters_b: float, layers: int = 32, kv_heads: int = 8) -> ModelShape:
    count = round(parameters_b * 1e9)
    attention = (AttentionLayers(layers, kv_heads, 128, 128, 4 * kv_heads),)
    return ModelShape("model", "llama", count, count, 131_072, attention)


def size_bytes(parameters_b: float, quantization: str) -> int:
    bits = find_quantization(quantization).bits_per_weight
    return weights_by_bits(dense(parameters_b), bits, quantization).total_bytes


# RAM by size and quantization. The guide's GB are GiB, and its sizes are these parameters in 10⁹.
RAM_GIB = {
    1.074: (0.6, 0.7, 0.8, 1.1, 2.0),
    3.22: (1.8, 2.1, 2.5, 3.2, 6.0),
    8.05: (4.6, 5.3, 6.1, 8.0, 15.0),
    14.1: (8.0, 9.3, 10.7, 13.8, 26.3),
    22.1: (12.5, 14.6, 16.9, 21.7, 41.2),
    27.2: (15.4, 17.9, 20.7, 26.7, 50.6),
    32.2: (18.2, 21.2, 24.5, 31.6, 60.0),
    70.5: (39.9, 46.4, 53.6, 69.1, 131.3),
}
RAM_TOLERANCE = 0.012
ROUNDED_GIB = 0.05


@pytest.mark.parametrize("parameters_b", RAM_GIB)
def test_ram_by_size_and_quantization(parameters_b: float) -> None:
    for quantization, guide in zip(QUANTIZATIONS, RAM_GIB[parameters_b], strict=True):
        ours = size_bytes(parameters_b, quantization) / GIB
        assert ours == pytest.approx(guide, rel=RAM_TOLERANCE, abs=ROUNDED_GIB), quantization


# Ceilings in tok/s: bandwidth over size in memory, sizes as the guide rounds them.
SIZES_GB = (4, 8, 18, 40)
CEILINGS_TPS = {
    "Apple M4": (30, 15, 6.7, None),
    "Apple M4 Pro": (68, 34, 15, 7),
    "Apple M4 Max": (136, 68, 30, 14),
}
CEILING_TOLERANCE = 0.03


@pytest.mark.parametrize("chip", CEILINGS_TPS)
def test_ceilings_by_chip(chip: str) -> None:
    known = find_chip(chip)
    assert known is not None
    machine = parse_machine(f"{chip} 128GB {known.bandwidth_gb_per_s}GB/s")
    for size_gb, guide in zip(SIZES_GB, CEILINGS_TPS[chip], strict=True):
        model = ModelShape("model", "", size_gb * 10**9, size_gb * 10**9, 8192, ())
        speed = estimate_speed(model, weights_by_bits(model, 8, "8 bits"), machine, 0)
        assert speed.ceiling_tps is not None and speed.decode is not None
        if guide is not None:
            assert speed.ceiling_tps == pytest.approx(guide, rel=CEILING_TOLERANCE)
        assert speed.decode.low_tps == pytest.approx(0.6 * speed.ceiling_tps)
        assert speed.decode.high_tps == pytest.approx(0.8 * speed.ceiling_tps)


# Largest model by memory: of the guide's sizes the largest that the 60 % rule allows, its own GB.
SIZES_B = (1.074, 3.22, 8.05, 14.1, 22.1, 27.2, 32.2, 70.5)
LARGEST_B = [
    (8, "Q8_0", 3.22, 1.074),
    (8, "Q4_K_M", 8.05, 3.22),
    (16, "Q4_K_M", 14.1, 14.1),
    (16, "Q8_0", 8.05, 8.05),
    (24, "Q4_K_M", 22.1, 22.1),
    (24, "Q8_0", 14.1, 14.1),
    (32, "Q4_K_M", 32.2, 27.2),
    (32, "Q8_0", 14.1, 22.1),
    (48, "Q4_K_M", 32.2, 70.5),
    (48, "Q8_0", 27.2, 32.2),
    (64, "Q4_K_M", 32.2, 70.5),
    (64, "Q8_0", 32.2, 70.5),
    (128, "Q8_0", 70.5, 70.5),
]
"""Memory, quantization, what the rule allows, what the guide says."""
LIKE_THE_GUIDE = {(16, "Q4_K_M"), (16, "Q8_0"), (24, "Q4_K_M"), (24, "Q8_0"), (128, "Q8_0")}


@pytest.mark.parametrize(("memory_gb", "quantization", "by_rule", "guide"), LARGEST_B)
def test_the_largest_model_by_memory(
    memory_gb: int, quantization: str, by_rule: float, guide: float
) -> None:
    allowed = [
        size
        for size in SIZES_B
        if size_bytes(size, quantization) <= WEIGHTS_SHARE * memory_gb * GIB
    ]
    assert max(allowed) == by_rule
    assert (by_rule == guide) == ((memory_gb, quantization) in LIKE_THE_GUIDE)


@pytest.mark.parametrize(
    ("words", "parameters_b", "quantization", "verdict"),
    [
        ("M4 Pro 48GB", 70.5, "Q4_K_M", Verdict.TIGHT),
        ("M4 32GB", 27.2, "Q4_K_M", Verdict.FITS),
        ("M4 32GB", 32.2, "Q4_K_M", Verdict.FITS),
        ("M4 32GB", 22.1, "Q8_0", Verdict.TIGHT),
        ("M4 Pro 48GB", 32.2, "Q8_0", Verdict.TIGHT),
        ("M4 Max 64GB", 70.5, "Q4_K_M", Verdict.TIGHT),
        ("M4 Max 64GB", 70.5, "Q8_0", Verdict.NO),
        ("M4 Max 128GB", 70.5, "F16", Verdict.NO),
    ],
)
def test_what_the_guide_calls_tight(
    words: str, parameters_b: float, quantization: str, verdict: Verdict
) -> None:
    shape = dense(parameters_b, layers=80)
    bits = find_quantization(quantization).bits_per_weight
    question = FitQuestion(shape, weights_by_bits(shape, bits, quantization), 4096, "q8_0")
    assert fit_model(question, parse_machine(words)).verdict is verdict


# Measured decode on an M4 Max: where a model is neither tiny nor at the guide's 27B, it lies in
# the band of 60 to 80 percent of the ceiling.
MEASURED_TPS = [
    (8.19, "4-bit", 93.3, True),
    (4.02, "4-bit", 159.0, True),
    (8.19, "Q4_K_M", 76.9, True),
    (4.02, "Q4_K_M", 118.2, False),
    (1.24, "4-bit", 461.9, False),
    (0.6, "4-bit", 525.5, False),
    (26.9, "4-bit", 14.0, False),
]


@pytest.mark.parametrize(("parameters_b", "quantization", "measured", "is_in_band"), MEASURED_TPS)
def test_measured_decode_lies_in_the_band(
    parameters_b: float, quantization: str, measured: float, is_in_band: bool
) -> None:
    shape = dense(parameters_b)
    bits = find_quantization(quantization).bits_per_weight
    weights = weights_by_bits(shape, bits, quantization)
    speed = estimate_speed(shape, weights, parse_machine("M4 Max 128GB"), 0)
    assert speed.decode is not None and speed.ceiling_tps is not None
    assert measured < speed.ceiling_tps
    assert (speed.decode.low_tps <= measured <= speed.decode.high_tps) == is_in_band
