from __future__ import annotations

import pytest

from engines.model_shape import AttentionLayers, ModelShape, weights_by_bits

# Llama 3.1 8B: 32 layers, 8 KV heads of 128; Gemma 3 12B: 8 of 48 layers see everything.
LLAMA = ModelShape(
    "8B", "llama", 8_030_000_000, 8_030_000_000, 131_072, (AttentionLayers(32, 8, 128, 128, 32),)
)
GEMMA = ModelShape(
    "12B",
    "gemma3",
    11_770_000_000,
    11_770_000_000,
    131_072,
    (AttentionLayers(8, 8, 256, 256, 16), AttentionLayers(40, 8, 256, 256, 16, 1024)),
)


@pytest.mark.parametrize(
    ("kv_type", "bytes_per_token"),
    [("f16", 131_072), ("bf16", 131_072), ("f32", 262_144), ("q8_0", 69_632), ("q4_0", 36_864)],
)
def test_keys_and_values_of_every_layer(kv_type: str, bytes_per_token: int) -> None:
    assert LLAMA.kv_cache_bytes(1000, kv_type) == 1000 * bytes_per_token


def test_a_window_stops_growing_where_it_alone_is_kept() -> None:
    per_layer = 8 * (256 + 256) * 2
    assert GEMMA.kv_cache_bytes(1024) == 48 * per_layer * 1024
    assert GEMMA.kv_cache_bytes(32_768) == 8 * per_layer * 32_768 + 40 * per_layer * 1024
    assert GEMMA.kv_cache_bytes(32_768, keeps_windows=False) == 48 * per_layer * 32_768
    assert GEMMA.kv_read_bytes(32_768) == GEMMA.kv_cache_bytes(32_768)
    assert GEMMA.forgets and not LLAMA.forgets


def test_a_state_does_not_grow() -> None:
    hybrid = ModelShape("h", "qwen3_5", 9, 9, 4096, (AttentionLayers(8, 4, 256, 256),), 50_000)
    assert hybrid.kv_cache_bytes(0) == 50_000
    assert hybrid.kv_cache_bytes(100) == 50_000 + 100 * 8 * 4 * 512 * 2
    assert hybrid.forgets


def test_latent_attention_keeps_one_small_head() -> None:
    # DeepSeek V3: a latent of 512 and 64 for the position, in each of 61 layers.
    latent = ModelShape("v3", "mla", 1, 1, 163_840, (AttentionLayers(61, 1, 576, 0, 128),))
    assert latent.kv_cache_bytes(1) == 61 * 576 * 2


def test_prefill_takes_two_operations_per_weight_and_attention_on_top() -> None:
    assert LLAMA.prefill_flops(1) == pytest.approx(2 * 8.03e9, rel=1e-3)
    heads_times_dims = 32 * 32 * 256
    tokens = 10_000
    attention = 2 * heads_times_dims * tokens / 2
    assert LLAMA.prefill_flops(tokens) == pytest.approx(tokens * (2 * 8.03e9 + attention))
    assert LLAMA.prefill_flops(0) == 0


def test_a_window_bounds_the_attention_of_prefill() -> None:
    only_windows = ModelShape("w", "", 1, 1, 9999, (AttentionLayers(1, 1, 1, 1, 1, 10),))
    per_token = (only_windows.prefill_flops(100_000) / 100_000) - 2
    assert per_token == pytest.approx(2 * 2 * 10, rel=1e-3)


def test_weights_by_bits_count_what_one_token_reads() -> None:
    mixture = ModelShape("m", "", 30_000_000_000, 3_000_000_000, 9999, ())
    weights = weights_by_bits(mixture, 4.5, "4-bit")
    assert weights.total_bytes == 16_875_000_000
    assert weights.bytes_per_token == 1_687_500_000
    assert not weights.is_exact
