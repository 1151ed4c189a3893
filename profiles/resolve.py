"""From a profile to what an engine must load on this machine."""

from __future__ import annotations

from collections.abc import Callable

from engines.errors import EngineError, EngineUnavailable
from engines.registry import why_unavailable
from engines.types import LoadRequest
from profiles.keys import RUNNING_ENGINES
from profiles.schema import Profile

ENGINE_ORDER = RUNNING_ENGINES
Unavailable = Callable[[str], EngineUnavailable | None]


def load_request(profile: Profile, unavailable: Unavailable = why_unavailable) -> LoadRequest:
    """The load request of `profile`.

    `auto`, and an embedded model whose engine is missing here, take the first engine that works.

    Raises:
        EngineUnavailable: the engine the profile asks for does not work here.
    """
    engine = _engine(profile, unavailable)
    draft = profile.draft_for(engine)
    return LoadRequest(
        engine=engine,
        model=_with_quantization(profile.model_for(engine), profile.quantization, engine),
        draft_model=draft,
        context_window_tokens=profile.context_window_tokens,
        kv_type=profile.kv_type,
        options=profile.options,
        adapter=profile.adapter,
        gpu_layers=profile.gpu_layers if engine == "llama.cpp" else None,
        flash_attention=profile.flash_attention if engine == "llama.cpp" else None,
        chunk_tokens=profile.prefill_chunk_tokens,
        draft_depth=profile.draft_depth,
    )


def _engine(profile: Profile, unavailable: Unavailable) -> str:
    order = _order(profile)
    for engine in order:
        if unavailable(engine) is None:
            return engine
    reason = unavailable(order[0])
    assert reason is not None
    raise reason


def _order(profile: Profile) -> tuple[str, ...]:
    """Engines to try, the best first."""
    if profile.engine != "auto":
        is_embedded = profile.model_for(profile.engine).startswith("demo:")
        others = ENGINE_ORDER if is_embedded and profile.engine in ENGINE_ORDER else ()
        return (profile.engine, *(engine for engine in others if profile.model_for(engine)))
    if profile.model_by_engine:
        return tuple(sorted(dict(profile.model_by_engine), key=lambda e: not _is_here(profile, e)))
    from engines.model_files.reference import engines_for

    if engines := engines_for(profile.model):
        return engines
    is_file = profile.model.lower().endswith(".gguf")
    return tuple(reversed(ENGINE_ORDER)) if is_file else ENGINE_ORDER


def _is_here(profile: Profile, engine: str) -> bool:
    from engines.model_files.locate import locate_model

    model = _with_quantization(profile.model_for(engine), profile.quantization, engine)
    try:
        return locate_model(model, engine).exists()
    except EngineError:
        return False


def _with_quantization(model: str, quantization: str, engine: str) -> str:
    """The reference with the quantization that it leaves open.

    Only GGUF repositories hold several; those for MLX have it in their name.
    """
    if not quantization:
        return model
    from engines.model_files.reference import ModelReference, ReferenceKind

    reference = ModelReference.parse(model)
    has_several = engine == "llama.cpp" or "gguf" in model.lower()
    if reference.kind is not ReferenceKind.REPOSITORY or reference.quantization or not has_several:
        return model
    return f"{model}:{quantization}"
