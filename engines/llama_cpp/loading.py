"""Opens a model and its draft model, checked before the library sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from engines.base import Cancelled
from engines.demo import DEMO_MODELS
from engines.errors import (
    EngineError,
    IncompatibleDraftModel,
    ModelLoadError,
    NotEnoughMemory,
)
from engines.events import LoadProgress
from engines.llama_cpp.adapter import add_adapter
from engines.llama_cpp.context import KV_TYPES, Context
from engines.llama_cpp.devices import FreeMemory
from engines.llama_cpp.head_probe import head_runs
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.layer_split import plan_layers
from engines.llama_cpp.memory import (
    NO_DRAFT,
    DraftNeed,
    draft_need,
    head_need,
    kv_bytes_per_token,
    plan_load,
    planned_types,
)
from engines.llama_cpp.mtp import HeadContext, HeadDrafter
from engines.llama_cpp.native_model import NativeModel
from engines.llama_cpp.nextn import nextn
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
_PLAIN_TYPES = ("f16", "bf16", "f32")


@dataclass
class LoadedModel:
    """A model with the KV caches on it, and the draft model, if any.

    Args:
        left: Memory that is left beside it, by its plan.
        can_draft: Tokens that its cache took in can be taken back.
        head_bytes: Weights that a pass of its own prediction head reads; 0 where there is none.
        has_head: The head was loaded.
    """

    model: NativeModel
    cache: SequenceCache
    info: ModelInfo
    left: FreeMemory
    can_draft: bool = True
    head_bytes: int = 0
    has_head: bool = False
    drafter: Drafter | HeadDrafter | None = None
    speculation: SpeculationRecord = field(default_factory=SpeculationRecord)

    @property
    def caches(self) -> list[SequenceCache]:
        return [self.cache] + ([self.drafter.cache] if self.drafter else [])

    @property
    def memory_bytes(self) -> int:
        """Weights, reserved KV caches and parked ones."""
        draft_bytes = self.drafter.held_weights_bytes if self.drafter else 0
        return (
            self.model.weights_bytes
            + draft_bytes
            + sum(cache.context.kv_reserved_bytes + cache.parked_bytes for cache in self.caches)
        )

    def use_drafter(self, drafter: Drafter | HeadDrafter) -> None:
        """Draft with `drafter` from now on."""
        self.drafter = drafter
        self.info = replace(self.info, draft_name=drafter.name)
        size = drafter.weights_bytes / self.model.weights_bytes
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
    if request.flash_attention is False and request.kv_type not in _PLAIN_TYPES:
        raise ModelLoadError(
            f"llama.cpp keeps a KV cache of type {request.kv_type} with flash attention only.",
            "Choose kv_type f16, or leave flash_attention out.",
        )


def open_model(
    request: LoadRequest,
    free: FreeMemory,
    report: Callable[[LoadProgress], None],
    cancelled: Cancelled,
    stage: str = "loading weights",
    drafts_itself: bool = True,
) -> LoadedModel:
    """Load `request.model`; its draft model is left aside, with room for it where that can be.

    Args:
        drafts_itself: Without a draft model, use the prediction head where there is one.

    Raises:
        ModelNotFound, ModelLoadError, NotEnoughMemory: as `engines.base.Engine.load` says.
    """
    path = locate_model(request.model, "llama.cpp")
    headers = read_split_headers(path)
    window_tokens = _window_tokens(headers[0], request.context_window_tokens)
    costs: tuple[KVCost, ...] = ()
    if request.model not in DEMO_MODELS:
        report(LoadProgress("checking the file"))
        costs = check_header_in_own_process(path, planned_types(request))
    drafts_itself = drafts_itself and request.draft_model is None
    head_bytes = head_weights_bytes(headers) if drafts_itself else 0
    has_head = head_bytes > 0 and nextn is not None and head_runs(path)
    draft = head_need(headers[0], request.kv_type) if has_head else _draft_need(request)

    def plan_for(available_bytes: int) -> MemoryPlan:
        return plan_load(request, headers, window_tokens, available_bytes, costs, draft)

    try:
        plan, gpu_layers = plan_for(free.model_bytes), request.gpu_layers
    except NotEnoughMemory:  # the draft's own plan will say so
        draft = NO_DRAFT
        layers = headers[0].block_count or 0
        split = plan_layers(plan_for, free, layers, request.gpu_layers)
        plan, gpu_layers = split.memory, split.gpu_layers
    taken_bytes = plan.needed_bytes - draft.bytes_for(plan.window_tokens)

    def keep_loading(fraction: float) -> bool:
        report(LoadProgress(stage, fraction))
        return not cancelled()

    with ExitStack() as undo:
        model = NativeModel(path, keep_loading, gpu_layers, has_head)
        undo.callback(model.close)
        if request.adapter is not None:
            add_adapter(model, headers[0], request.adapter)
        context = Context(
            model,
            plan.window_tokens,
            plan.kv_type,
            choose_thread_counts(),
            plan.chunk_tokens,
            kv_bytes_per_token(headers[0], plan.kv_type),
            request.flash_attention,
        )
        undo.callback(context.close)
        info = _model_info(request, path, headers, model, context, plan)
        undo.pop_all()
    parking_bytes = min(_PARKING_BYTES_MAX, psutil.virtual_memory().available // 8)
    cache = SequenceCache(context, model.can_rewind, parking_bytes)
    return LoadedModel(
        model, cache, info, free.less(taken_bytes), cache.can_take_back(), head_bytes, has_head
    )


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
    draft_request = replace(
        request,
        model=request.draft_model or "",
        draft_model=None,
        adapter=None,
        context_window_tokens=target.info.context_window_tokens,
        gpu_layers=None,
    )
    draft = open_model(
        draft_request, target.left, report, cancelled, "loading draft weights", drafts_itself=False
    )
    with ExitStack() as undo:
        undo.callback(draft.close)
        target.model.vocabulary.check_draft(draft.model.vocabulary)
        if not draft.can_draft:
            raise IncompatibleDraftModel("The draft model's KV cache cannot take drafts back.")
        undo.pop_all()
    return Drafter(
        draft.info.name,
        draft.model,
        draft.cache,
        draft.info.context_window_tokens,
        target.model.vocabulary.size,
    )


def open_head(target: LoadedModel) -> HeadDrafter:
    """Draft with the model's own prediction head, which was loaded with it.

    Raises:
        IncompatibleDraftModel: it was not loaded, as this build of the library cannot run it.
        ModelLoadError, NotEnoughMemory: the library sets up no context for it.
    """
    if not target.has_head:
        raise IncompatibleDraftModel(
            "This llama-cpp-python cannot run the prediction head that is in the model's file.",
            "Nothing has to be done; lookups still draft.",
        )
    info = target.info
    threads = target.cache.context.thread_counts
    context = HeadContext(target.model, info.context_window_tokens, info.kv_type, threads)
    cache = SequenceCache(context, True, 0)
    return HeadDrafter(target.cache.context, cache, target.model, target.head_bytes)


def head_weights_bytes(headers: Sequence[GgufHeader]) -> int:
    """Of the multi-token prediction head in these files, its output matrix included; 0 for none."""
    tensors = [tensor for header in headers for tensor in header.tensors]
    blocks = {t.name.split("nextn.")[0] for t in tensors if ".nextn." in t.name}
    if not blocks:
        return 0
    own = sum(tensor.size_bytes for tensor in tensors if tensor.name.startswith(tuple(blocks)))
    sizes = {tensor.name: tensor.size_bytes for tensor in tensors}
    return own + sizes.get("output.weight", sizes.get("token_embd.weight", 0))


def _draft_need(request: LoadRequest) -> DraftNeed:
    """Nothing where there is no draft model, or none that could be read."""
    if request.draft_model is None:
        return NO_DRAFT
    try:
        path = locate_model(request.draft_model, "llama.cpp")
        return draft_need(read_split_headers(path), request.kv_type)
    except EngineError:
        return NO_DRAFT


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
