"""Whether a model fits, before llama.cpp allocates anything."""

from __future__ import annotations

import platform

import psutil

from engines.errors import NotEnoughMemory
from engines.llama_cpp.context import KV_TYPES
from engines.llama_cpp.library import llama
from engines.model_files.ggml_types import GGML_TYPES
from engines.model_files.gguf import GgufHeader
from engines.model_files.gguf_bytes import GgufArray, GgufValue


def kv_bytes_per_token(header: GgufHeader, kv_type: str) -> int:
    """KV cache growth per token: KV heads of all layers times (key + value length) in bytes.

    0 where the header does not say. Layers without attention have no KV heads.
    """
    layers = (header.number("block_count") or 0) - (header.number("nextn_predict_layers") or 0)
    heads = header.number("attention.head_count") or 0
    embedding = header.number("embedding_length") or 0
    head_length = embedding // heads if heads else 0
    lengths = sum(
        header.number(f"attention.{part}_length") or head_length for part in ("key", "value")
    )
    per_layer = _per_layer(header.metadata.get(f"{header.architecture}.attention.head_count_kv"))
    kv_heads = sum(per_layer[:layers]) if per_layer else heads * layers
    if len(per_layer) == 1:
        kv_heads = per_layer[0] * layers
    element = GGML_TYPES[KV_TYPES[kv_type]]
    return kv_heads * lengths * element.block_bytes // element.block_elements


def check_memory(weights_bytes: int, kv_cache_bytes: int, window_tokens: int) -> None:
    """Raises NotEnoughMemory, with figures, where weights and KV cache exceed what is free.

    A discrete GPU's own memory is not counted: there the library's answer decides.
    """
    if llama.llama_supports_gpu_offload() and platform.system() != "Darwin":
        return
    free_bytes = psutil.virtual_memory().available
    if weights_bytes + kv_cache_bytes <= free_bytes:
        return
    raise NotEnoughMemory(
        f"The model needs {_size(weights_bytes)} for its weights and {_size(kv_cache_bytes)} for a"
        f" KV cache of {window_tokens:,} tokens; {_size(free_bytes)} are free.",
        "Choose a smaller context window, a smaller kv_type (q8_0), or a smaller model.",
    )


def _per_layer(value: GgufValue | None) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    if value is None or isinstance(value, GgufArray | str | float):
        return ()
    return tuple(part for part in value if isinstance(part, int))


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:,.1f} GB" if size_bytes >= 2**30 else f"{size_bytes >> 20} MB"
