"""What a GGUF header says, as the configuration that mlx_lm builds a model from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engines.errors import ModelLoadError
from engines.model_files.gguf import GgufHeader

ELSEWHERE = "Open this file with the llama.cpp engine, or use an MLX version of the model."
_ARCHITECTURES = ("llama", "qwen2", "qwen3")
_TENSOR_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1")


def check_supported(header: GgufHeader) -> None:
    """Refuse what the MLX engine would not run, or not run well.

    Raises:
        ModelLoadError: names the architecture, the tensor type or the setting.
    """
    if header.architecture not in _ARCHITECTURES:
        raise ModelLoadError(
            f"The MLX engine does not run {header.architecture or 'unnamed'} models from GGUF"
            " files.",
            ELSEWHERE,
        )
    if header.split_count > 1:
        raise ModelLoadError("The MLX engine does not read split GGUF files.", ELSEWHERE)
    for tensor in header.tensors:
        if tensor.type_name not in _TENSOR_TYPES:
            raise ModelLoadError(
                f"The MLX engine does not read {tensor.type_name} tensors ({tensor.name} is one).",
                ELSEWHERE,
            )
    scaling = header.text(f"{header.architecture}.rope.scaling.type")
    if scaling not in ("", "none", "linear"):
        raise ModelLoadError(f"The MLX engine does not know {scaling} rope scaling.", ELSEWHERE)


def read_config(header: GgufHeader) -> dict[str, Any]:
    """The `config.json` that mlx_lm would read for this model; sizes come from the tensors.

    Raises:
        ModelLoadError: a size is missing, or sizes and tensors do not go together.
    """
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    try:
        hidden_size, vocab_size = shapes["token_embd.weight"]
        heads = _positive(header, "attention.head_count")
        kv_heads = _positive(header, "attention.head_count_kv", heads)
        layers = _positive(header, "block_count")
        head_dim = _positive(header, "attention.key_length", hidden_size // heads)
        intermediate_size = shapes["blk.0.ffn_gate.weight"][1]
        query_rows = shapes["blk.0.attn_q.weight"][1]
    except (KeyError, ValueError, IndexError) as error:
        raise ModelLoadError(
            f"The GGUF file lacks what the MLX engine needs: {error}.", ELSEWHERE
        ) from error
    _check_layers(shapes, layers)
    if query_rows != heads * head_dim or (
        header.architecture == "qwen2" and head_dim != hidden_size // heads
    ):
        raise ModelLoadError("The GGUF file's attention heads do not fit its tensors.", ELSEWHERE)
    prefix = header.architecture
    config: dict[str, Any] = {
        "model_type": header.architecture,
        "hidden_size": hidden_size,
        "num_hidden_layers": layers,
        "intermediate_size": intermediate_size,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "vocab_size": vocab_size,
        "max_position_embeddings": _positive(header, "context_length", 2048),
        "rms_norm_eps": header.metadata.get(f"{prefix}.attention.layer_norm_rms_epsilon", 1e-6),
        "rope_theta": header.metadata.get(f"{prefix}.rope.freq_base", 10_000.0),
        "tie_word_embeddings": "output.weight" not in shapes,
        "attention_bias": "blk.0.attn_q.bias" in shapes,
        # llama.cpp reorders the query and key rows of this architecture for the pairwise rope.
        "rope_traditional": header.architecture == "llama",
    }
    if header.text(f"{prefix}.rope.scaling.type") == "linear":
        factor = header.metadata.get(f"{prefix}.rope.scaling.factor", 1.0)
        config["rope_scaling"] = {"type": "linear", "factor": factor}
    return config


def _positive(header: GgufHeader, key: str, default: int | None = None) -> int:
    value = header.number(key)
    value = default if value is None else value
    if value is None or isinstance(value, bool) or value <= 0:
        raise KeyError(f"{header.architecture}.{key}")
    return value


def _check_layers(shapes: Mapping[str, tuple[int, ...]], layers: int) -> None:
    found = {match[1] for name in shapes if (match := re.match(r"blk\.(\d+)\.", name))}
    if found != {str(index) for index in range(layers)}:
        raise ModelLoadError(
            f"The GGUF file announces {layers} layers and holds {len(found)}.",
            "Download the file again.",
        )
