"""Shapes from headers and configurations, as published ones are written."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from engines.errors import ModelLoadError
from engines.model_files.folder_shape import read_folder_model, shape_from_config
from engines.model_files.gguf import GgufHeader, GgufTensor
from engines.model_files.gguf_bytes import GgufValue
from engines.model_files.gguf_shape import shape_from_headers
from engines.model_shape import AttentionLayers

QWEN35_9B = {
    "model_type": "qwen3_5",
    "text_config": {
        "model_type": "qwen3_5_text",
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_size": 4096,
        "vocab_size": 248320,
        "max_position_embeddings": 262144,
        "full_attention_interval": 4,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
    },
}
GEMMA4_26B = {
    "model_type": "gemma4",
    "text_config": {
        "model_type": "gemma4_text",
        "num_hidden_layers": 30,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "num_global_key_value_heads": 2,
        "global_head_dim": 512,
        "sliding_window": 1024,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5,
    },
}
GPT_OSS_20B = {
    "model_type": "gpt_oss",
    "num_hidden_layers": 24,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
}
QWEN2_WITHOUT_WINDOW = {
    "model_type": "qwen2",
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "hidden_size": 5120,
    "sliding_window": 131072,
    "use_sliding_window": False,
}
SHARED_KV = {
    "model_type": "gemma3n_text",
    "num_hidden_layers": 30,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "num_kv_shared_layers": 10,
}


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        (QWEN35_9B, [AttentionLayers(8, 4, 256, 256, 16)]),
        (
            GEMMA4_26B,
            [AttentionLayers(25, 8, 256, 256, 16, 1024), AttentionLayers(5, 2, 512, 512, 16)],
        ),
        (
            GPT_OSS_20B,
            [AttentionLayers(12, 8, 64, 64, 64, 128), AttentionLayers(12, 8, 64, 64, 64)],
        ),
        (DEEPSEEK_V3, [AttentionLayers(61, 1, 576, 0, 128)]),
        (QWEN2_WITHOUT_WINDOW, [AttentionLayers(48, 8, 128, 128, 40)]),
        (SHARED_KV, [AttentionLayers(20, 2, 256, 256, 8)]),
    ],
)
def test_the_layers_of_a_configuration(
    config: dict[str, Any], layers: list[AttentionLayers]
) -> None:
    assert list(shape_from_config(config, "model", 1, 1).attention) == layers


def test_a_hybrid_keeps_a_state() -> None:
    shape = shape_from_config(QWEN35_9B, "9B", 8_950_000_000, 8_950_000_000)
    convolution, matrices = 3 * 8192 * 2, 32 * 128 * 128 * 4
    assert shape.state_bytes == 24 * (convolution + matrices)
    assert shape.context_window_tokens == 262_144
    assert shape.vocabulary_size == 248_320


@pytest.mark.parametrize(
    "config",
    [{}, {"num_hidden_layers": "many"}, {"num_hidden_layers": 10**9, "num_attention_heads": 0}],
)
def test_a_strange_configuration_is_no_error(config: dict[str, Any]) -> None:
    assert shape_from_config(config, "x", 1, 1).kv_cache_bytes(1000) >= 0


def safetensors(path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    sizes = {"U32": 4, "BF16": 2, "F32": 4}
    header: dict[str, Any] = {}
    position = 0
    for name, (dtype, shape) in tensors.items():
        size = sizes[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(position))


def test_packed_weights_are_counted_by_their_scales(tmp_path: Path) -> None:
    config = {
        "model_type": "qwen3_moe",
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_experts": 4,
        "num_experts_per_tok": 1,
        "quantization": {"group_size": 64, "bits": 4},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    packed, scales = ("U32", [4, 8, 16]), ("BF16", [4, 8, 2])
    experts = "model.layers.0.mlp.switch_mlp.up_proj"
    safetensors(
        tmp_path / "model.safetensors",
        {
            "model.embed_tokens.weight": ("BF16", [10, 128]),
            f"{experts}.weight": packed,
            f"{experts}.scales": scales,
            f"{experts}.biases": scales,
            "vision_tower.patch.weight": ("F32", [100, 100]),
        },
    )
    shape, weights = read_folder_model(tmp_path)
    assert shape.parameters == 10 * 128 + 4 * 8 * 128
    assert shape.active_parameters == 10 * 128 + 8 * 128
    expert_bytes = 4 * 8 * 16 * 4 + 2 * 4 * 8 * 2 * 2
    assert weights.total_bytes == 10 * 128 * 2 + expert_bytes
    assert weights.bytes_per_token == 10 * 128 * 2 + expert_bytes // 4
    assert weights.quantization == "4-bit"


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_broken_folder_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelLoadError):
        read_folder_model(tmp_path)


def header(architecture: str, **values: GgufValue) -> GgufHeader:
    metadata: dict[str, GgufValue] = {"general.architecture": architecture}
    metadata |= {f"{architecture}.{key.replace('__', '.')}": v for key, v in values.items()}
    tensors = (
        GgufTensor("token_embd.weight", (64, 1000), 1, "F16", 0, 128_000),
        GgufTensor("blk.0.ffn_up_exps.weight", (64, 64, 8), 1, "F16", 0, 65_536),
    )
    return GgufHeader(3, metadata, tensors, 0)


COMMON: dict[str, GgufValue] = {
    "block_count": 12,
    "embedding_length": 64,
    "attention__head_count": 4,
    "attention__head_count_kv": 2,
}


@pytest.mark.parametrize(
    ("architecture", "values", "layers"),
    [
        ("llama", {}, [AttentionLayers(12, 2, 16, 16, 4)]),
        (
            "gemma3",
            {
                "attention__sliding_window": 512,
                "attention__key_length": 32,
                "attention__value_length": 32,
            },
            [AttentionLayers(10, 2, 32, 32, 4, 512), AttentionLayers(2, 2, 32, 32, 4)],
        ),
        (
            "gemma4",
            {
                "attention__sliding_window": 512,
                "attention__sliding_window_pattern": (True, True, False) * 4,
                "attention__key_length": 64,
                "attention__value_length": 64,
                "attention__key_length_swa": 32,
                "attention__value_length_swa": 32,
                "attention__head_count_kv": (2, 2, 1) * 4,
            },
            [AttentionLayers(8, 2, 32, 32, 4, 512), AttentionLayers(4, 1, 64, 64, 4)],
        ),
        ("qwen35", {"full_attention_interval": 4}, [AttentionLayers(3, 2, 16, 16, 4)]),
        (
            "qwen35",
            {"full_attention_interval": 4, "block_count": 13, "nextn_predict_layers": 1},
            [AttentionLayers(3, 2, 16, 16, 4)],
        ),
        ("lfm2", {"attention__head_count_kv": (0, 2) * 6}, [AttentionLayers(6, 2, 16, 16, 4)]),
        (
            "deepseek2",
            {"attention__kv_lora_rank": 512, "rope__dimension_count": 64},
            [AttentionLayers(12, 1, 576, 0, 4)],
        ),
        ("mistral", {"attention__sliding_window": 4096}, [AttentionLayers(12, 2, 16, 16, 4)]),
        ("mamba", {"attention__head_count": 0}, []),
    ],
)
def test_the_layers_of_a_header(
    architecture: str, values: dict[str, GgufValue], layers: list[AttentionLayers]
) -> None:
    shape = shape_from_headers([header(architecture, **(COMMON | values))])
    assert list(shape.attention) == layers


def test_a_header_tells_experts_and_vocabulary() -> None:
    shape = shape_from_headers([header("qwen3moe", **COMMON, expert_count=8, expert_used_count=2)])
    assert shape.parameters == 64_000 + 32_768
    assert shape.active_parameters == 64_000 + 32_768 // 4
    assert shape.vocabulary_size == 1000


@pytest.mark.parametrize("key", ["block_count", "attention__head_count", "expert_used_count"])
@pytest.mark.parametrize("number", [-1, 0, 2**32 - 1, 2**63])
def test_an_absurd_header_takes_no_time_and_is_no_error(key: str, number: int) -> None:
    values = COMMON | {"expert_count": 8, "full_attention_interval": 3, key: number}
    shape = shape_from_headers([header("odd", **values)])
    assert shape.kv_cache_bytes(1000) >= 0
    assert sum(kind.layers for kind in shape.attention) <= 1024


def test_an_empty_header_is_no_error() -> None:
    assert shape_from_headers([GgufHeader(3, {}, (), 0)]).kv_cache_bytes(1000) == 0
