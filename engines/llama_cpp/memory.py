"""Whether a model fits, before llama.cpp allocates anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.llama_cpp.context import CHUNK_TOKENS, KV_TYPES
from engines.memory import KVCost, MemoryNeed, MemoryPlan, plan_memory
from engines.model_files.ggml_types import GGML_TYPES
from engines.model_files.gguf import GgufHeader
from engines.model_files.gguf_bytes import GgufArray, GgufValue
from engines.types import LoadRequest

_WIDE_TYPES = ("f32", "f16", "bf16")
_BUFFER_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class DraftNeed:
    """What a draft model takes beside its target; nothing where there is none."""

    weights_bytes: int = 0
    kv_bytes_per_token: int = 0
    fixed_bytes: int = 0

    def bytes_for(self, window_tokens: int) -> int:
        return self.weights_bytes + self.fixed_bytes + self.kv_bytes_per_token * window_tokens


NO_DRAFT = DraftNeed()


def kv_bytes_per_token(header: GgufHeader, kv_type: str) -> int:
    """KV cache growth per token: KV heads of all layers times (key + value length) in bytes.

    0 where the header does not say. Layers without attention have no KV heads.
    """
    layers = _layers(header)
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
    available_bytes: int,
    costs: Sequence[KVCost] = (),
    draft: DraftNeed = NO_DRAFT,
) -> MemoryPlan:
    """Whether weights and KV cache fit, and with what savings.

    Args:
        headers: Of the model's files.
        window_tokens: The context window, as asked for or by default.
        available_bytes: For weights, KV caches and buffers.
        costs: The library's own plan for KV caches and buffers; without it, by the header.
        draft: What has to fit beside it.

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
        weights_bytes=sum(header.weights_bytes for header in headers) + draft.weights_bytes,
        kv_costs=tuple(
            _with_draft(known[kv_type], draft)
            for kv_type in planned_types(request)
            if kv_type in known
        ),
        window_tokens=window_tokens,
        is_window_asked=request.context_window_tokens is not None,
        chunk_tokens=min(request.chunk_tokens or CHUNK_TOKENS, CHUNK_TOKENS),
    )
    return plan_memory(need, available_bytes)


def draft_need(headers: Sequence[GgufHeader], kv_type: str) -> DraftNeed:
    """By the headers of the draft model's files."""
    return DraftNeed(
        sum(header.weights_bytes for header in headers),
        kv_bytes_per_token(headers[0], kv_type),
        _BUFFER_BYTES,
    )


def head_need(header: GgufHeader, kv_type: str) -> DraftNeed:
    """Of a prediction head in the model's own file: one more layer, and buffers of its own."""
    layer_bytes = kv_bytes_per_token(header, kv_type) // max(1, _layers(header))
    return DraftNeed(0, layer_bytes, _BUFFER_BYTES)


def planned_types(request: LoadRequest) -> tuple[str, ...]:
    """The type that was asked for, and the one to save memory with."""
    return (request.kv_type, "q8_0") if request.kv_type in _WIDE_TYPES else (request.kv_type,)


def _with_draft(cost: KVCost, draft: DraftNeed) -> KVCost:
    return replace(
        cost,
        bytes_per_token=cost.bytes_per_token + draft.kv_bytes_per_token,
        fixed_bytes=cost.fixed_bytes + draft.fixed_bytes,
    )


def _layers(header: GgufHeader) -> int:
    """Without those that predict further ahead."""
    predicting = header.number("nextn_predict_layers") or 0
    return (header.number("block_count") or 0) - predicting


def _per_layer(value: GgufValue | None) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    if value is None or isinstance(value, GgufArray | str | float):
        return ()
    return tuple(part for part in value if isinstance(part, int))
