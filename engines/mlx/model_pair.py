"""The model of a load request with its draft model, and what there is to say about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engines.base import Cancelled
from engines.demo import DEMO_MODELS
from engines.errors import IncompatibleDraftModel, ModelLoadError
from engines.events import LoadProgress
from engines.mlx.cache_store import TurnCaches
from engines.mlx.device import Device, fitting_window_tokens
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
from engines.model_files.fingerprint import tokenizer_fingerprint
from engines.model_files.locate import locate_model
from engines.types import LoadRequest, ModelInfo

Report = Callable[[LoadProgress], None]


@dataclass(frozen=True)
class ModelPair:
    """A model ready to run; `draft` is None where there is none to use."""

    info: ModelInfo
    target: LoadedModel
    draft: LoadedModel | None
    kv_quantization: KVQuantization | None

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
    plan = plan_model(locate_model(request.model), device)
    draft_plan = (
        plan_model(locate_model(request.draft_model), device) if request.draft_model else None
    )
    plans = [plan, draft_plan] if draft_plan else [plan]
    window_tokens = fitting_window_tokens(
        device,
        sum(each.weights_bytes for each in plans),
        sum(each.kv_bytes_per_token for each in plans),
        request.context_window_tokens,
        plan.context_window_tokens,
    )
    _stop_if(cancelled)
    report(LoadProgress("reading the weights", 0.1))
    target = load_model(plan, device)
    _stop_if(cancelled)
    report(LoadProgress("warming up", 0.7))
    growth = measure_cache(target)
    kv_quantization = plan_kv_quantization(request.kv_type, growth)
    draft, draft_refused = _load_draft(draft_plan, target, device)
    report(LoadProgress("ready", 1.0))
    info = _describe(request, plan, target, window_tokens, growth, kv_quantization)
    if draft is not None and draft_plan is not None:
        info = replace(info, draft_name=draft_plan.name)
    return ModelPair(replace(info, draft_refused=draft_refused), target, draft, kv_quantization)


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
    window_tokens: int,
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
        weights_bytes=target.weights_bytes,
        context_window_tokens=window_tokens,
        kv_type=request.kv_type if kv_quantization else growth.element_type,
        kv_bytes_per_token=growth.bytes_per_token(kv_quantization),
        kv_fixed_bytes=growth.fixed_bytes,
        chat_template=tokenizer.chat_template,
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer.token_texts, tokenizer.chat_template),
        is_demo=request.model in DEMO_MODELS,
    )


def _stop_if(cancelled: Cancelled) -> None:
    if cancelled():
        raise ModelLoadError("Loading was cancelled.", "Choose the model again to load it.")
