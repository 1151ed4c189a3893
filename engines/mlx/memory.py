"""What a model will take on an MLX device, from its description alone."""

from __future__ import annotations

from collections.abc import Sequence

from engines.memory import KVCost, MemoryNeed, MemoryPlan, plan_memory
from engines.mlx.device import Device
from engines.mlx.loaded_model import ModelPlan, element_bytes
from engines.types import LoadRequest

_WORKING_BYTES = 64 * 2**20
WORKING_BYTES_PER_TOKEN = 384 * 2**10
"""Activations of a prompt's chunk; an upper bound for models of up to some 30B parameters."""
_QUANTIZED_BITS = {"q8_0": 8, "q4_0": 4}
_GROUP_SIZE = 64


def plan_load(
    request: LoadRequest, plan: ModelPlan, draft: ModelPlan | None, device: Device
) -> MemoryPlan:
    """Whether the model and its draft fit, and with what savings.

    Raises:
        NotEnoughMemory: they do not.
    """
    plans: Sequence[ModelPlan] = [plan, draft] if draft else [plan]
    most_tokens = device.prefill_chunk_tokens
    types = [request.kv_type] + (["q8_0"] if request.kv_type not in _QUANTIZED_BITS else [])
    need = MemoryNeed(
        weights_bytes=sum(each.weights_bytes for each in plans),
        kv_costs=tuple(_kv_cost(kv_type, plan, draft, device) for kv_type in types),
        window_tokens=request.context_window_tokens or plan.context_window_tokens,
        is_window_asked=request.context_window_tokens is not None,
        chunk_tokens=min(request.chunk_tokens or most_tokens, most_tokens),
        working_bytes=_WORKING_BYTES,
        working_bytes_per_token=WORKING_BYTES_PER_TOKEN,
    )
    return plan_memory(need, device.available_bytes)


def _kv_cost(kv_type: str, plan: ModelPlan, draft: ModelPlan | None, device: Device) -> KVCost:
    """Quantized: `bits` an element and a scale and a bias for every group; the draft's never is."""
    target_bytes: float = plan.kv_bytes_per_token
    if (bits := _QUANTIZED_BITS.get(kv_type)) is not None:
        item_bytes = element_bytes(device.computes_in_float32)
        target_bytes *= (bits / 8 + 2 * item_bytes / _GROUP_SIZE) / item_bytes
    draft_bytes = draft.kv_bytes_per_token if draft else 0
    fixed_bytes = plan.kv_fixed_bytes + (draft.kv_fixed_bytes if draft else 0)
    return KVCost(kv_type, target_bytes + draft_bytes, fixed_bytes)
