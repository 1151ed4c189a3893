"""Whether a model fits, before llama.cpp allocates anything."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import psutil

from engines.llama_cpp.context import KV_TYPES
from engines.llama_cpp.library import llama
from engines.memory import KVCost, MemoryNeed, MemoryPlan, plan_memory
from engines.model_files.ggml_types import GGML_TYPES
from engines.model_files.gguf import GgufHeader
from engines.model_files.gguf_bytes import GgufArray, GgufValue
from engines.types import LoadRequest

_WIDE_TYPES = ("f32", "f16", "bf16")
_BUFFER_BYTES = 64 * 2**20
_SMALLEST_CHUNK_TOKENS = 64
_UNKNOWN_BYTES = 2**62


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


def plan_load(
    request: LoadRequest,
    headers: Sequence[GgufHeader],
    window_tokens: int,
    costs: Sequence[KVCost] = (),
) -> MemoryPlan:
    """Whether weights and KV cache fit, and with what savings.

    A discrete GPU's own memory is not counted: there the library's answer decides.

    Args:
        headers: Of the model's files.
        window_tokens: The context window, as asked for or by default.
        costs: The library's own plan for KV caches and buffers; without it, by the header.

    Raises:
        NotEnoughMemory: they do not fit.
    """
    known = {cost.kv_type: cost for cost in costs}
    if request.kv_type not in known:
        known = {
            kv_type: KVCost(kv_type, kv_bytes_per_token(headers[0], kv_type), _BUFFER_BYTES)
            for kv_type in planned_types(request)[:1]
        }
    need = MemoryNeed(
        weights_bytes=sum(header.weights_bytes for header in headers),
        kv_costs=tuple(known[kv_type] for kv_type in planned_types(request) if kv_type in known),
        window_tokens=window_tokens,
        is_window_asked=request.context_window_tokens is not None,
        chunk_tokens=_SMALLEST_CHUNK_TOKENS,  # shorter ones save nothing: buffers are set aside
    )
    return plan_memory(need, _available_bytes())


def planned_types(request: LoadRequest) -> tuple[str, ...]:
    """The type that was asked for, and the one to save memory with."""
    return (request.kv_type, "q8_0") if request.kv_type in _WIDE_TYPES else (request.kv_type,)


def _available_bytes() -> int:
    if llama.llama_supports_gpu_offload() and platform.system() != "Darwin":
        return _UNKNOWN_BYTES
    return psutil.virtual_memory().available


def _per_layer(value: GgufValue | None) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    if value is None or isinstance(value, GgufArray | str | float):
        return ()
    return tuple(part for part in value if isinstance(part, int))
