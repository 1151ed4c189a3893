"""From a profile to what an engine must load on this machine."""

from __future__ import annotations

from collections.abc import Callable

from engines.errors import EngineUnavailable
from engines.registry import why_unavailable
from engines.types import LoadRequest
from profiles.schema import Profile

ENGINE_ORDER = ("mlx", "llama.cpp")


def load_request(
    profile: Profile,
    unavailable: Callable[[str], EngineUnavailable | None] = why_unavailable,
) -> LoadRequest:
    """The load request of `profile`.

    `auto`, and an embedded model whose engine is missing here, take the first engine that works.

    Raises:
        EngineUnavailable: the engine the profile asks for does not work here.
    """
    return LoadRequest(
        engine=_engine(profile, unavailable),
        model=profile.model,
        draft_model=profile.draft_model,
        context_window_tokens=profile.context_window_tokens,
        kv_type=profile.kv_type,
        options=profile.options,
    )


def _engine(profile: Profile, unavailable: Callable[[str], EngineUnavailable | None]) -> str:
    if profile.model.lower().endswith(".gguf") and profile.engine == "auto":
        order: tuple[str, ...] = tuple(reversed(ENGINE_ORDER))
    elif profile.engine == "auto":
        order = ENGINE_ORDER
    elif profile.model.startswith("demo:") and profile.engine in ENGINE_ORDER:
        order = (profile.engine, *ENGINE_ORDER)
    else:
        order = (profile.engine,)
    for engine in order:
        if unavailable(engine) is None:
            return engine
    reason = unavailable(order[0])
    assert reason is not None
    raise reason
