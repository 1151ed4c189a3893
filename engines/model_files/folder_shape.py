"""The shape of a model from the `config.json` of its folder, and its weights from safetensors.

Keys: the configurations of Hugging Face transformers and mlx_lm. A layer that nothing says
otherwise about sees the whole context, which errs on the side of more memory.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.errors import ModelLoadError
from engines.mlx.safetensors_file import read_shapes, read_sizes
from engines.model_shape import AttentionLayers, ModelShape, Weights

Config = Mapping[str, Any]

_NOT_TEXT = ("vision_", "visual.", "model.visual.", "audio_", "multi_modal_", "mtp.", "model.mtp.")
_EXPERTS = (".experts.", ".switch_mlp.", ".switch_glu.")
_WINDOW_PATTERNS = {"gemma3": 6, "gemma3_text": 6, "gemma4": 6, "gemma4_text": 6, "cohere2": 4}
_FULL, _SLIDING, _LINEAR = "full_attention", "sliding_attention", "linear_attention"
_STATE_LAYERS = (_LINEAR, "mamba", "conv", "recurrent")
_ACTIVATION_BYTES, _STATE_BYTES = 2, 4


def read_folder_model(folder: Path) -> tuple[ModelShape, Weights]:
    """Shape and weights of a model folder, from its small files and the headers of the large ones.

    Raises:
        ModelLoadError: a file is missing, damaged or not completely downloaded.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLoadError(
            f"The config.json of {folder.name} cannot be read.", "Download the model again."
        ) from error
    if not isinstance(config, dict):
        raise ModelLoadError(
            f"The config.json of {folder.name} is no object.", "Download the model again."
        )
    shapes: dict[str, tuple[int, ...]] = {}
    sizes: dict[str, int] = {}
    for file in sorted(folder.glob("*.safetensors")):
        shapes |= read_shapes(file)
        sizes |= read_sizes(file)
    if not sizes:
        raise ModelLoadError(f"{folder.name} holds no safetensors files.", "Download the model.")
    used = {name: size for name, size in sizes.items() if not name.startswith(_NOT_TEXT)}
    counts = _count_parameters(shapes, used, config)
    share = experts_used_share(_text_of(config))
    shape = shape_from_config(
        config, folder.name, counts["all"], round(counts["all"] - counts["experts"] * (1 - share))
    )
    return shape, _weights(used, share, config)


def shape_from_config(
    config: Config, name: str, parameters: int, active_parameters: int
) -> ModelShape:
    """The shape that a `config.json` describes.

    Args:
        parameters: Not in the file; from the weights, or from where the model was published.
    """
    text = _text_of(config)
    kinds = _layer_kinds(text)
    attention: Counter[AttentionLayers] = Counter()
    for kind in kinds[: len(kinds) - _whole(text, "num_kv_shared_layers")]:
        if kind not in _STATE_LAYERS:
            attention[_attention(text, kind)] += 1
    return ModelShape(
        name=name,
        architecture=str(text.get("model_type") or config.get("model_type") or ""),
        parameters=parameters,
        active_parameters=active_parameters,
        context_window_tokens=_whole(text, "max_position_embeddings"),
        attention=tuple(
            AttentionLayers(
                count, one.kv_heads, one.key_dim, one.value_dim, one.heads, one.window_tokens
            )
            for one, count in attention.items()
        ),
        state_bytes=sum(kind in _STATE_LAYERS for kind in kinds) * _state_bytes(text),
        vocabulary_size=_whole(text, "vocab_size"),
    )


def _layer_kinds(text: Config) -> list[str]:
    """What each layer does, by `layer_types` or by the pattern that stands in for it."""
    layers = min(_whole(text, "num_hidden_layers"), 1024)
    named = text.get("layer_types")
    if isinstance(named, list) and len(named) == layers:
        return [str(kind) for kind in named]
    if interval := _whole(text, "full_attention_interval"):
        return _every(layers, interval, _LINEAR)
    default = _WINDOW_PATTERNS.get(str(text.get("model_type")), 0)
    pattern = _whole(text, "sliding_window_pattern") or default
    if pattern and _whole(text, "sliding_window"):
        return _every(layers, pattern, _SLIDING)
    return [_FULL] * layers


def _every(layers: int, interval: int, otherwise: str) -> list[str]:
    return [otherwise if (index + 1) % interval else _FULL for index in range(layers)]


def _attention(text: Config, kind: str) -> AttentionLayers:
    heads = _whole(text, "num_attention_heads", 1)
    if latent := _whole(text, "kv_lora_rank"):
        return AttentionLayers(1, 1, latent + _whole(text, "qk_rope_head_dim"), 0, heads)
    kv_heads = _whole(text, "num_key_value_heads", heads)
    head_dim = _whole(text, "head_dim", _whole(text, "hidden_size") // heads)
    if "sliding" in kind:
        window = _whole(text, "sliding_window") or None
        return AttentionLayers(1, kv_heads, head_dim, head_dim, heads, window)
    kv_heads = _whole(text, "num_global_key_value_heads", kv_heads)
    head_dim = _whole(text, "global_head_dim", head_dim)
    return AttentionLayers(1, kv_heads, head_dim, head_dim, heads)


def _state_bytes(text: Config) -> int:
    """Of one layer without a KV cache: a gated delta network's, or a short convolution's."""
    if value_heads := _whole(text, "linear_num_value_heads"):
        return delta_network_bytes(
            _whole(text, "linear_num_key_heads"),
            value_heads,
            _whole(text, "linear_key_head_dim"),
            _whole(text, "linear_value_head_dim"),
            _whole(text, "linear_conv_kernel_dim", 4),
        )
    kernel = _whole(text, "conv_L_cache", 1)
    return (kernel - 1) * _whole(text, "hidden_size") * _ACTIVATION_BYTES


def delta_network_bytes(
    key_heads: int, value_heads: int, key_dim: int, value_dim: int, kernel: int
) -> int:
    """State of one layer: (kernel - 1) inputs of the convolution, and value_heads matrices."""
    convolution = (kernel - 1) * (2 * key_heads * key_dim + value_heads * value_dim)
    return convolution * _ACTIVATION_BYTES + value_heads * key_dim * value_dim * _STATE_BYTES


def _weights(sizes: Mapping[str, int], share: float, config: Config) -> Weights:
    total = sum(sizes.values())
    experts = sum(size for name, size in sizes.items() if is_expert(name))
    settings = config.get("quantization") or config.get("quantization_config")
    bits = settings.get("bits") if isinstance(settings, dict) else None
    dtype = str(config.get("torch_dtype") or config.get("dtype") or "")
    quantization = f"{bits}-bit" if isinstance(bits, int) else dtype
    return Weights(total, round(total - experts * (1 - share)), quantization, is_exact=True)


def _count_parameters(
    shapes: Mapping[str, tuple[int, ...]], used: Mapping[str, int], config: Config
) -> Counter[str]:
    """Weights of all tensors, and of those in experts; packed ones are counted by their scales."""
    settings = config.get("quantization")
    settings = settings if isinstance(settings, dict) else {}
    counts: Counter[str] = Counter()
    for name in used:
        stem, _, kind = name.rpartition(".")
        scales = shapes.get(f"{stem}.scales")
        count = math.prod(shapes[name])
        if scales is not None:
            layer = settings.get(stem)
            group = _whole(layer if isinstance(layer, dict) else settings, "group_size", 64)
            count = math.prod(scales) * group if kind == "weight" else 0
        counts["all"] += count
        counts["experts"] += count if is_expert(name) else 0
    return counts


def is_expert(name: str) -> bool:
    """Whether a tensor of this name belongs to a mixture's experts."""
    return any(mark in name for mark in _EXPERTS)


def experts_used_share(text: Config) -> float:
    """Of a mixture's experts, what one token uses; 1 where there are none."""
    experts = _whole(text, "num_experts", _whole(text, "num_local_experts"))
    experts = experts or _whole(text, "n_routed_experts")
    used = _whole(text, "num_experts_per_tok", _whole(text, "top_k_experts"))
    return min(1.0, used / experts) if used and experts else 1.0


def _text_of(config: Config) -> Config:
    text = config.get("text_config")
    return text if isinstance(text, dict) else config


def _whole(values: Config, key: str, default: int = 0) -> int:
    value = values.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    return default
