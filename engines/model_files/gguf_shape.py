"""The shape of a model from its GGUF header.

Keys: the GGUF specification (`docs/gguf.md` in the ggml repository). Which layers have a sliding
window where the header does not say it: `src/models/*.cpp` of llama.cpp.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from engines.model_files.gguf import GgufHeader
from engines.model_files.gguf_bytes import GgufArray
from engines.model_files.gguf_split import read_split_headers
from engines.model_shape import AttentionLayers, ModelShape, Weights

_WINDOW_PATTERNS = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "cohere2": 4,
    "exaone4": 4,
    "olmo3": 4,
}
"""Of so many layers in a row, the last one sees the whole context."""
_STATE_BYTES = 4
_LATENT = "attention.kv_lora_rank"
_MAX_LAYERS = 1024
"""More than any model has; a damaged file can announce billions."""


def read_gguf_model(path: Path) -> tuple[ModelShape, Weights]:
    """Shape and weights of the GGUF model that begins with `path`.

    Raises:
        ModelNotFound, ModelLoadError: the file, or one of a split model, cannot be used.
    """
    headers = read_split_headers(path)
    first = headers[0]
    total = sum(header.weights_bytes for header in headers)
    read = sum(_bytes_per_token(header, first) for header in headers)
    weights = Weights(total, read, first.quantization or headers[-1].quantization, is_exact=True)
    return shape_from_headers(headers, first.name or path.stem), weights


def shape_from_headers(headers: Sequence[GgufHeader], name: str = "") -> ModelShape:
    """The shape of a model from the headers of all its files; the first one says most."""
    first = headers[0]
    parameters = sum(header.parameters for header in headers)
    experts = sum(t.parameters for h in headers for t in h.tensors if "_exps" in t.name)
    return ModelShape(
        name=name or first.name,
        architecture=first.architecture,
        parameters=parameters,
        active_parameters=parameters - experts + round(experts * _used_share(first)),
        context_window_tokens=first.context_window_tokens or 0,
        attention=_attention(first),
        state_bytes=_state_bytes(first),
        vocabulary_size=_vocabulary_size(first),
    )


def _bytes_per_token(header: GgufHeader, first: GgufHeader) -> int:
    experts = sum(tensor.size_bytes for tensor in header.tensors if "_exps" in tensor.name)
    return header.weights_bytes - experts + round(experts * _used_share(first))


def _used_share(header: GgufHeader) -> float:
    used, experts = _count(header, "expert_used_count"), _count(header, "expert_count")
    return min(1.0, used / experts) if used and experts else 1.0


def _attention(header: GgufHeader) -> tuple[AttentionLayers, ...]:
    """One entry for each size of keys and values, in the order of the layers."""
    kinds: Counter[AttentionLayers] = Counter()
    for index in range(_layers(header) - _count(header, "attention.shared_kv_layers")):
        kind = _layer(header, index)
        if kind is not None:
            kinds[kind] += 1
    return tuple(
        AttentionLayers(
            layers, kind.kv_heads, kind.key_dim, kind.value_dim, kind.heads, kind.window_tokens
        )
        for kind, layers in kinds.items()
    )


def _layer(header: GgufHeader, index: int) -> AttentionLayers | None:
    """Layer `index` alone; None for one without a KV cache."""
    heads = _of_layer(header, "attention.head_count", index) or 0
    kv_heads = _of_layer(header, "attention.head_count_kv", index)
    kv_heads = heads if kv_heads is None else kv_heads
    interval = _count(header, "full_attention_interval")
    if not kv_heads or not heads or (interval and (index + 1) % interval):
        return None
    if latent := _count(header, _LATENT):
        rope_dim = _count(header, "rope.dimension_count")
        return AttentionLayers(1, 1, latent + rope_dim, 0, heads)
    window = _count(header, "attention.sliding_window") if _has_window(header, index) else None
    suffix = "_swa" if window else ""
    default = _count(header, "embedding_length") // heads
    key, value = (
        _count(header, f"attention.{part}_length{suffix}")
        or _count(header, f"attention.{part}_length")
        or default
        for part in ("key", "value")
    )
    return AttentionLayers(1, kv_heads, key, value, heads, window)


def _has_window(header: GgufHeader, index: int) -> bool:
    if not header.number("attention.sliding_window"):
        return False
    pattern = header.metadata.get(f"{header.architecture}.attention.sliding_window_pattern")
    if isinstance(pattern, Sequence) and not isinstance(pattern, str):
        return index < len(pattern) and bool(pattern[index])
    every = pattern if isinstance(pattern, int) else _WINDOW_PATTERNS.get(header.architecture, 1)
    return every > 1 and index % every < every - 1


def _state_bytes(header: GgufHeader) -> int:
    """Recurrent state: (kernel - 1) inputs of the convolution, and the state itself, in float32.

    For Mamba and for gated delta networks alike, whose keys have the state's size.
    """
    interval = _count(header, "full_attention_interval")
    layers = range(_layers(header))
    recurrent = sum(1 for index in layers if _layer(header, index) is None) if layers else 0
    if not recurrent or (interval == 0 and not _keeps_state(header)):
        return 0
    if kernel := _count(header, "shortconv.l_cache"):
        return recurrent * (kernel - 1) * _count(header, "embedding_length") * _STATE_BYTES
    inner, state = _count(header, "ssm.inner_size"), _count(header, "ssm.state_size")
    groups, kernel = _count(header, "ssm.group_count"), max(1, _count(header, "ssm.conv_kernel"))
    convolution = (kernel - 1) * (inner + 2 * groups * state)
    return recurrent * (convolution + inner * state) * _STATE_BYTES


def _keeps_state(header: GgufHeader) -> bool:
    return any(header.number(key) for key in ("ssm.state_size", "shortconv.l_cache"))


def _layers(header: GgufHeader) -> int:
    """Layers that are used without speculation; those for predicting further come on top."""
    layers = _count(header, "block_count") - _count(header, "nextn_predict_layers")
    return min(max(0, layers), _MAX_LAYERS)


def _of_layer(header: GgufHeader, key: str, index: int) -> int | None:
    """A value that is the same for all layers, or an array with one for each."""
    value = header.metadata.get(f"{header.architecture}.{key}")
    if isinstance(value, int):
        return max(0, value)
    if isinstance(value, GgufArray) or not isinstance(value, Sequence) or isinstance(value, str):
        return None
    element = next(itertools.islice(value, index, None), None)
    return max(0, element) if isinstance(element, int) else None


def _count(header: GgufHeader, key: str) -> int:
    """A number of the header; 0 where it is missing or negative."""
    return max(0, header.number(key) or 0)


def _vocabulary_size(header: GgufHeader) -> int:
    shapes = (tensor.shape for tensor in header.tensors if tensor.name == "token_embd.weight")
    return next((shape[1] for shape in shapes if len(shape) == 2), 0)
