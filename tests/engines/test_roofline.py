from __future__ import annotations

import pytest

from engines.roofline import decode_ceiling_tps
from engines.types import ModelInfo


def info(weights_bytes: int, kv_bytes_per_token: int = 0, kv_fixed_bytes: int = 0) -> ModelInfo:
    return ModelInfo(
        name="model",
        engine="scripted",
        architecture="qwen3",
        quantization="Q4_K_M",
        parameters=None,
        weights_bytes=weights_bytes,
        context_window_tokens=4096,
        kv_type="f16",
        kv_bytes_per_token=kv_bytes_per_token,
        kv_fixed_bytes=kv_fixed_bytes,
        chat_template="",
        bos_token="",
        eos_token="",
        tokenizer_fingerprint="",
    )


def test_an_empty_context_reads_the_weights_alone() -> None:
    assert decode_ceiling_tps(273e9, info(4_000_000_000), 0) == pytest.approx(68.25)


def test_the_kv_cache_of_the_whole_context_is_read_too() -> None:
    model = info(4_000_000_000, kv_bytes_per_token=100_000, kv_fixed_bytes=50_000_000)
    bytes_per_token = 4e9 + 0.05e9 + 1e5 * 10_000
    assert decode_ceiling_tps(273e9, model, 10_000) == pytest.approx(273e9 / bytes_per_token)
