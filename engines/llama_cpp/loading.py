"""Opens a model and its draft model, checked before the library sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from engines.base import Cancelled
from engines.demo import DEMO_MODELS
from engines.errors import IncompatibleDraftModel, ModelLoadError
from engines.events import LoadProgress
from engines.llama_cpp.context import KV_TYPES, Context
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.memory import plan_load, planned_types
from engines.llama_cpp.native_model import NativeModel
from engines.llama_cpp.probe import check_header_in_own_process
from engines.llama_cpp.speculative import Drafter
from engines.llama_cpp.threads import choose_thread_counts
from engines.memory import KVCost, MemoryPlan
from engines.model_files.fingerprint import tokenizer_fingerprint
from engines.model_files.gguf import GgufHeader
from engines.model_files.gguf_split import read_split_headers
from engines.model_files.locate import locate_model
from engines.speculative.record import SpeculationRecord
from engines.types import LoadRequest, ModelInfo

DEFAULT_WINDOW_TOKENS = 32_768
"""Where the request names none and the model could take more: its KV cache is reserved whole."""
NO_WAY_BACK = "This model's KV cache cannot take drafts back."
_PARKING_BYTES_MAX = 2 * 2**30


@dataclass
class LoadedModel:
    """A model with the KV caches on it, and the draft model, if any."""

    model: NativeModel
    cache: SequenceCache
    info: ModelInfo
    drafter: Drafter | None = None
    speculation: SpeculationRecord = field(default_factory=SpeculationRecord)

    @property
    def caches(self) -> list[SequenceCache]:
        return [self.cache] + ([self.drafter.cache] if self.drafter else [])

    @property
    def memory_bytes(self) -> int:
        """Weights, reserved KV caches and parked ones."""
        models = [self.model] + ([self.drafter.model] if self.drafter else [])
        return sum(model.weights_bytes for model in models) + sum(
            cache.context.kv_reserved_bytes + cache.parked_bytes for cache in self.caches
        )

    def use_drafter(self, drafter: Drafter) -> None:
        """Draft with `drafter` from now on."""
        self.drafter = drafter
        self.info = replace(self.info, draft_name=drafter.name)
        size = drafter.model.weights_bytes / self.model.weights_bytes
        self.speculation = SpeculationRecord(draft_size=size)

    def close(self) -> None:
        if self.drafter is not None:
            self.drafter.close()
        self.cache.close()
        self.model.close()


def check_settings(request: LoadRequest) -> None:
    """Raises ModelLoadError for a KV cache type or context window no model can have."""
    if request.kv_type not in KV_TYPES:
        raise ModelLoadError(
            f"llama.cpp has no KV cache of type {request.kv_type}.",
            f"Choose one of: {', '.join(KV_TYPES)}.",
        )
    if request.context_window_tokens is not None and request.context_window_tokens <= 0:
        raise ModelLoadError(
            f"A context window of {request.context_window_tokens} tokens is too small.",
            "Choose at least a few hundred tokens.",
        )


def open_model(
    request: LoadRequest,
    report: Callable[[LoadProgress], None],
    cancelled: Cancelled,
    stage: str = "loading weights",
) -> LoadedModel:
    """Load `request.model`; its draft model is left aside.

    Raises:
        ModelNotFound, ModelLoadError, NotEnoughMemory: as `engines.base.Engine.load` says.
    """
    path = locate_model(request.model)
    headers = read_split_headers(path)
    window_tokens = _window_tokens(headers[0], request.context_window_tokens)
    costs: tuple[KVCost, ...] = ()
    if request.model not in DEMO_MODELS:
        report(LoadProgress("checking the file"))
        costs = check_header_in_own_process(path, planned_types(request))
    plan = plan_load(request, headers, window_tokens, costs)

    def keep_loading(fraction: float) -> bool:
        report(LoadProgress(stage, fraction))
        return not cancelled()

    with ExitStack() as undo:
        model = NativeModel(path, keep_loading)
        undo.callback(model.close)
        context = Context(model, plan.window_tokens, plan.kv_type, choose_thread_counts())
        undo.callback(context.close)
        info = _model_info(request, path, headers, model, context, plan)
        undo.pop_all()
    parking_bytes = min(_PARKING_BYTES_MAX, psutil.virtual_memory().available // 8)
    return LoadedModel(model, SequenceCache(context, model.can_rewind, parking_bytes), info)


def open_drafter(
    target: LoadedModel,
    request: LoadRequest,
    report: Callable[[LoadProgress], None],
    cancelled: Cancelled,
) -> Drafter:
    """Load `request.draft_model` to draft for `target`.

    Raises:
        IncompatibleDraftModel: their vocabularies differ, or a KV cache cannot be rewound.
        ModelNotFound, ModelLoadError, NotEnoughMemory: as for any model.
    """
    if not target.model.can_rewind:
        raise IncompatibleDraftModel(NO_WAY_BACK)
    draft_request = replace(
        request,
        model=request.draft_model or "",
        context_window_tokens=target.info.context_window_tokens,
    )
    draft = open_model(draft_request, report, cancelled, "loading draft weights")
    with ExitStack() as undo:
        undo.callback(draft.close)
        target.model.vocabulary.check_draft(draft.model.vocabulary)
        if not draft.model.can_rewind:
            raise IncompatibleDraftModel("The draft model's KV cache cannot take drafts back.")
        undo.pop_all()
    return Drafter(
        draft.info.name,
        draft.model,
        draft.cache,
        draft.info.context_window_tokens,
        target.model.vocabulary.size,
    )


def _window_tokens(header: GgufHeader, requested: int | None) -> int:
    """Never beyond the window a model was trained for: its answers fall apart there."""
    wanted = requested or DEFAULT_WINDOW_TOKENS
    return min(wanted, header.context_window_tokens or wanted)


def _model_info(
    request: LoadRequest,
    path: Path,
    headers: Sequence[GgufHeader],
    model: NativeModel,
    context: Context,
    plan: MemoryPlan,
) -> ModelInfo:
    header = headers[0]
    vocabulary = model.vocabulary
    return ModelInfo(
        name=header.name or path.stem,
        engine="llama.cpp",
        architecture=header.architecture,
        quantization=header.quantization,
        parameters=model.parameters,
        weights_bytes=sum(header.weights_bytes_per_token for header in headers),
        context_window_tokens=plan.window_tokens,
        kv_type=plan.kv_type,
        kv_bytes_per_token=context.kv_bytes_per_token,
        chat_template=header.chat_template,
        bos_token=vocabulary.bos_text,
        eos_token=vocabulary.eos_text,
        tokenizer_fingerprint=tokenizer_fingerprint(vocabulary.texts(), header.chat_template),
        kv_fixed_bytes=context.kv_fixed_bytes,
        kv_reserved_bytes=context.kv_reserved_bytes,
        is_demo=request.model in DEMO_MODELS,
        memory_note=plan.note,
    )
