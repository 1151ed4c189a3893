from __future__ import annotations

import pytest

from engines.described_machine import parse_machine
from engines.model_shape import AttentionLayers, ModelShape, weights_by_bits
from engines.speed import MeasuredSpeed, estimate_speed

M4_MAX = parse_machine("M4 Max 64GB")
LLAMA_2_7B = ModelShape("7B", "llama", 6_740_000_000, 6_740_000_000, 4096, ())
MIXTURE = ModelShape("35B-A3B", "qwen", 34_660_000_000, 3_000_000_000, 262_144, ())


def test_the_kv_cache_is_read_too() -> None:
    shape = ModelShape("8B", "", 8 * 10**9, 8 * 10**9, 9999, (AttentionLayers(32, 8, 128, 128),))
    weights = weights_by_bits(shape, 8, "8 bits")
    speed = estimate_speed(shape, weights, M4_MAX, 10_000)
    assert speed.ceiling_tps == pytest.approx(546e9 / (8e9 + 10_000 * 131_072))
    smaller = estimate_speed(shape, weights, M4_MAX, 10_000, "q8_0")
    assert smaller.ceiling_tps == pytest.approx(546e9 / (8e9 + 10_000 * 69_632))


def test_the_tables_own_model_prefills_as_in_the_table() -> None:
    speed = estimate_speed(LLAMA_2_7B, weights_by_bits(LLAMA_2_7B, 4.5, "Q4_0"), M4_MAX, 512)
    assert speed.prefill is not None
    assert speed.prefill.high_tps == pytest.approx(886, rel=0.01)


def test_a_mixture_is_estimated_as_the_guide_measured_it() -> None:
    """Qwen3.5-35B-A3B in 4 bits on an M4 Max: decode 64-92 and 111 tok/s, prefill 1,147 and
    1,804."""
    speed = estimate_speed(MIXTURE, weights_by_bits(MIXTURE, 4.5, "4-bit"), M4_MAX, 512)
    assert speed.decode is not None and speed.prefill is not None
    assert speed.decode.low_tps == pytest.approx(64, rel=0.05)
    assert speed.decode.high_tps == pytest.approx(111, rel=0.05)
    assert speed.prefill.low_tps == pytest.approx(1147, rel=0.1)
    assert speed.prefill.high_tps == pytest.approx(1804, rel=0.12)


def test_the_first_token_comes_after_the_prompt() -> None:
    weights = weights_by_bits(LLAMA_2_7B, 4.5, "Q4_0")
    speed = estimate_speed(LLAMA_2_7B, weights, M4_MAX, 1000)
    assert speed.ttft_s is not None and speed.prefill is not None and speed.decode is not None
    low, high = speed.ttft_s
    assert low == pytest.approx(1000 / speed.prefill.high_tps + 1 / speed.decode.high_tps)
    assert high == pytest.approx(1000 / speed.prefill.low_tps + 1 / speed.decode.low_tps)


def test_measurements_go_before_estimates() -> None:
    weights = weights_by_bits(LLAMA_2_7B, 4.5, "Q4_0")
    measured = MeasuredSpeed(decode_tps=83, prefill_tps=800)
    speed = estimate_speed(LLAMA_2_7B, weights, M4_MAX, 800, measured=measured)
    assert speed.source == "measured"
    assert speed.decode is not None and speed.decode.middle_tps == 83
    assert speed.ttft_s == pytest.approx((1 + 1 / 83, 1 + 1 / 83))


def test_what_is_not_known_is_left_open() -> None:
    weights = weights_by_bits(LLAMA_2_7B, 4.5, "Q4_0")
    speed = estimate_speed(LLAMA_2_7B, weights, parse_machine("EPYC 64GB 200GB/s"), 100)
    assert speed.decode is not None
    assert speed.prefill is None and speed.ttft_s is None


@pytest.mark.parametrize(
    ("words", "published_tps"),
    [
        ("M1 Ultra 64GB", 83.7),
        ("M2 Ultra 128GB", 94.3),
        ("M3 Ultra 96GB", 92.1),
        ("M4 Pro 48GB", 50.7),
        ("M5 Max 64GB", 119.1),
        ("RTX 3060", 75.6),
        ("RTX 3090", 158.2),
        ("RTX 4090", 189.0),
        ("RTX 5080", 184.7),
        ("RTX 5090", 300.4),
        ("A100 80GB", 200.9),
        ("H100", 280.7),
    ],
)
def test_published_decode_lies_in_what_is_expected(words: str, published_tps: float) -> None:
    """Llama 2 7B in Q4_0, llama.cpp's discussions 4167 and 15013."""
    weights = weights_by_bits(LLAMA_2_7B, 8 * 3.83 / 6.74, "Q4_0")
    speed = estimate_speed(LLAMA_2_7B, weights, parse_machine(words), 0)
    assert speed.decode is not None
    assert speed.decode.low_tps < published_tps < speed.decode.high_tps * 1.01
