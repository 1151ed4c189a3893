"""The model of a load request with its draft model, and what there is to say about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engines.base import Cancelled
from engines.demo import DEMO_MODELS
from engines.errors import IncompatibleDraftModel, ModelLoadError, NotEnoughMemory
from engines.events import LoadProgress
from engines.memory import MemoryPlan, size_text
from engines.mlx.adapter import add_adapter
from engines.mlx.cache_store import TurnCaches
from engines.mlx.device import Device
from engines.mlx.kv_cache import CacheGrowth, KVQuantization, create_kv_cache
from engines.mlx.loaded_model import LoadedModel, ModelPlan
from engines.mlx.loading import (
    check_draft,
    check_kv_type,
    load_model,
    measure_cache,
    plan_kv_quantization,
    plan_model,
)
from engines.mlx.memory import plan_load
from engines.model_files.adapters import locate_adapter
from engines.model_files.fingerprint import tokenizer_fingerprint
from engines.model_files.locate import locate_model
from engines.types import LoadRequest, ModelInfo

Report = Callable[[LoadProgress], None]


@dataclass(frozen=True)
class ModelPair:
    """A model ready to run; `draft` is None where there is none to use.

    Args:
        chunk_tokens: Prompt tokens to read in one pass.
        plain_kv_bytes_per_token: Of the target's KV cache before it is quantized.
        draft_kv_bytes_per_token: Of the draft's; 0 without one.
    """

    info: ModelInfo
    target: LoadedModel
    draft: LoadedModel | None
    kv_quantization: KVQuantization | None
    chunk_tokens: int
    plain_kv_bytes_per_token: int = 0
    draft_kv_bytes_per_token: int = 0

    @property
    def weights_bytes(self) -> int:
        return self.target.weights_bytes + (self.draft.weights_bytes if self.draft else 0)

    def create_caches(self) -> TurnCaches:
        draft = create_kv_cache(self.draft.network) if self.draft else None
        return TurnCaches(create_kv_cache(self.target.network), draft)


def load_pair(
    request: LoadRequest, device: Device, report: Report, cancelled: Cancelled
) -> ModelPair:
    """Check everything that the files say first, then read the weights.

    Raises:
        ModelNotFound, ModelLoadError, NotEnoughMemory: as they say.
    """
    report(LoadProgress("reading the model's description"))
    check_kv_type(request.kv_type)
    plan = plan_model(locate_model(request.model, "mlx"), device)
    draft_plan = (
        plan_model(locate_model(request.draft_model, "mlx"), device)
        if request.draft_model
        else None
    )
    memory = plan_load(request, plan, draft_plan, device)
    _stop_if(cancelled)
    report(LoadProgress("reading the weights", 0.1))
    target = load_model(plan, device)
    if request.adapter is not None:
        add_adapter(target, locate_adapter(request.adapter, "mlx"), device)
    _stop_if(cancelled)
    report(LoadProgress("warming up", 0.7))
    growth = measure_cache(target)
    kv_quantization = _plan_kv_quantization(request, memory, growth)
    draft, draft_refused = _load_draft(draft_plan, target, device)
    report(LoadProgress("ready", 1.0))
    info = _describe(request, plan, target, memory, growth, kv_quantization)
    if draft is not None and draft_plan is not None:
        info = replace(info, draft_name=draft_plan.name)
    info = replace(info, draft_refused=draft_refused or device.why_no_drafts)
    return ModelPair(
        info,
        target,
        draft,
        kv_quantization,
        memory.chunk_tokens,
        growth.bytes_per_token(),
        draft_plan.kv_bytes_per_token if draft is not None and draft_plan is not None else 0,
    )


def _plan_kv_quantization(
    request: LoadRequest, memory: MemoryPlan, growth: CacheGrowth
) -> KVQuantization | None:
    try:
        return plan_kv_quantization(memory.kv_type, growth)
    except ModelLoadError:
        if memory.kv_type == request.kv_type:
            raise
        raise NotEnoughMemory(
            f"The KV cache does not fit into {size_text(memory.available_bytes)}, and this model's"
            " cannot be quantized.",
            "Choose a smaller context window or a smaller model.",
        ) from None


def _load_draft(
    plan: ModelPlan | None, target: LoadedModel, device: Device
) -> tuple[LoadedModel | None, str]:
    if plan is None:
        return None, ""
    draft = load_model(plan, device)
    try:
        check_draft(target, draft)
    except IncompatibleDraftModel as error:
        return None, error.message
    measure_cache(draft)
    return draft, ""


def _describe(
    request: LoadRequest,
    plan: ModelPlan,
    target: LoadedModel,
    memory: MemoryPlan,
    growth: CacheGrowth,
    kv_quantization: KVQuantization | None,
) -> ModelInfo:
    tokenizer = target.tokenizer
    return ModelInfo(
        name=plan.name,
        engine="mlx",
        architecture=plan.architecture,
        quantization=plan.quantization or target.element_type,
        parameters=plan.parameters or target.parameters,
        weights_bytes=target.weights_bytes_per_token(plan.experts_used_share),
        context_window_tokens=memory.window_tokens,
        kv_type=memory.kv_type if kv_quantization else growth.element_type,
        kv_bytes_per_token=growth.bytes_per_token(kv_quantization),
        kv_fixed_bytes=growth.fixed_bytes,
        chat_template=tokenizer.chat_template,
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer.token_texts, tokenizer.chat_template),
        is_demo=request.model in DEMO_MODELS,
        memory_note=memory.note,
    )


def _stop_if(cancelled: Cancelled) -> None:
    if cancelled():
        raise ModelLoadError("Loading was cancelled.", "Choose the model again to load it.")
