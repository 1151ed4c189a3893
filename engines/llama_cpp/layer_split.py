"""Which layers lie on the GPU, where it has not room for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engines.errors import NotEnoughMemory
from engines.llama_cpp.devices import FreeMemory
from engines.memory import MemoryPlan

_GPU_SHARE = 0.95
"""Layers differ a little in size, and the first and last ones have tables beside them."""

PlanFor = Callable[[int], MemoryPlan]
"""The memory plan for so many bytes; raises NotEnoughMemory."""


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """A memory plan, and the layers to put on the GPU; None puts all there."""

    memory: MemoryPlan
    gpu_layers: int | None = None


def plan_layers(
    plan_for: PlanFor, free: FreeMemory, layers: int, asked_layers: int | None = None
) -> LayerPlan:
    """All layers on the GPU; where they do not fit, as many as do, and the rest beside it.

    A split model reads most of its weights at the speed of main memory, so it is slow; but it runs.

    Args:
        layers: Of the model.
        asked_layers: To put on the GPU, whatever fits; None leaves it to the plan.

    Raises:
        NotEnoughMemory: GPU and main memory together do not do.
    """
    together_bytes = free.model_bytes + free.spill_bytes
    if asked_layers is not None:
        return LayerPlan(plan_for(together_bytes), asked_layers)
    try:
        return LayerPlan(plan_for(free.model_bytes))
    except NotEnoughMemory:
        if not free.spill_bytes or not layers:
            raise
    memory = plan_for(together_bytes)
    fitting = int(layers * _GPU_SHARE * free.model_bytes / max(1, memory.needed_bytes))
    note = (
        f"The model is larger than the GPU's memory: {fitting} of {layers} layers are computed"
        " there, the others by the processor, which is slower."
    )
    noted = replace(memory, note=" ".join(part for part in (note, memory.note) if part))
    return LayerPlan(noted, fitting)
