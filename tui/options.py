"""What the command line asks of the app, and the profile it starts with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from profiles.loader import ProfileCatalog
    from profiles.schema import Profile

DEMO_DRAFTS = {"demo:target": "demo:draft"}


@dataclass(frozen=True, slots=True)
class AppOptions:
    """The options of `llm-tui`; None leaves a choice to the profile.

    Args:
        profile: Name of the profile to start with.
        model: A GGUF file, a model folder, or an embedded model.
        engine: An engine of `engines.registry`.
        draft: `auto`, `off`, or a draft model.
        adapter: A LoRA adapter for the model, or `none`.
        continue_last: Open the conversation that was used last.
        session_id: Open this conversation.
        files: Files to attach to the first message.
        script: The text that the scripted engine streams.
        rate_tps: Its speed in tokens per second.
        debug: Log everything, and show tracebacks.
    """

    profile: str | None = None
    model: str | None = None
    engine: str | None = None
    draft: str | None = None
    adapter: str | None = None
    continue_last: bool = False
    session_id: str | None = None
    files: tuple[Path, ...] = ()
    script: Path | None = None
    rate_tps: float | None = None
    debug: bool = False

    @property
    def names_profile(self) -> bool:
        """Whether the choice of what to run is made here."""
        return any((self.profile, self.model, self.engine, self.draft, self.adapter))


def starting_profile(
    options: AppOptions, catalog: ProfileCatalog, preferred: str | None = None
) -> Profile:
    """The profile `options` name, with the other options put over it.

    Args:
        preferred: The one to start with where they name none; the first one where this is None.

    Raises:
        ProfileError: there is no profile of that name, or it is broken.
    """
    profile = catalog.get(options.profile or preferred or next(iter(catalog.profiles)))
    if options.engine == "scripted":
        return _scripted(profile, options)
    if options.model is not None:
        profile = with_model(profile, options.model, options.engine or "auto")
    elif options.engine is not None:
        profile = replace(profile, engine=options.engine)
    if options.adapter is not None:
        profile = replace(profile, adapter=None if options.adapter == "none" else options.adapter)
    return _with_draft(profile, options.draft)


def with_model(profile: Profile, model: str, engine: str = "auto") -> Profile:
    """`profile` with another model, and without what belongs to its own."""
    return replace(_without_models(profile), model=model, engine=engine)


def with_profile(catalog: ProfileCatalog, profile: Profile) -> ProfileCatalog:
    """`catalog` with `profile` in the place of the one it was made from."""
    return replace(catalog, profiles=catalog.profiles | {profile.name: profile})


def _scripted(profile: Profile, options: AppOptions) -> Profile:
    settings = []
    if options.script is not None:
        settings.append(("script", str(options.script)))
    if options.rate_tps is not None:
        settings.append(("rate", str(options.rate_tps)))
    model = options.script.name if options.script else "script"
    return replace(
        _without_models(profile), engine="scripted", model=model, options=tuple(settings)
    )


def _without_models(profile: Profile) -> Profile:
    """Without the models of the profile and what belongs to them."""
    return replace(
        profile,
        model_by_engine=(),
        quantization="",
        draft_model=None,
        draft_by_engine=(),
        draft_depth=None,
        adapter=None,
        gpu_layers=None,
    )


def _with_draft(profile: Profile, draft: str | None) -> Profile:
    if draft is None:
        return profile
    profile = replace(profile, draft_by_engine=())
    if draft == "off":
        return replace(profile, draft_model=None, use_draft=False)
    if draft == "auto":
        chosen = profile.draft_model or DEMO_DRAFTS.get(profile.model)
        return replace(profile, draft_model=chosen, use_draft=True)
    return replace(profile, draft_model=draft, use_draft=True)
