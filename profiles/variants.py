"""What there is to try for a profile: one change of a setting each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from profiles.routing import engine_title
from profiles.schema import Profile

EMBEDDED_DRAFTS = {"demo:target": "demo:draft"}
_FIELDS = {
    "engine": "engine",
    "kv_type": "kv_type",
    "flash_attention": "flash_attention",
    "prefill_chunk": "prefill_chunk_tokens",
    "draft_depth": "draft_depth",
}
_CHUNK_TOKENS = {"llama.cpp": (256, 128), "mlx": (512,)}
_CHUNK_TOKENS_ON_CPU = {"llama.cpp": (256, 128), "mlx": (32,)}
"""MLX reads no more than 64 tokens in a pass there."""
_DEPTHS = (3, 7)
_KV_TYPES = ("f16", "q8_0", "q4_0")
_COARSE = "it loses detail at long context, which speed alone cannot outweigh"
_LARGER = "it takes more memory than the profile wants to"


@dataclass(frozen=True, slots=True)
class Variant:
    """A profile with some of its settings changed.

    Args:
        name: In a few words.
        settings: What to write into the profile's file, by key.
        note: Why it is measured and never chosen by its speed; empty where it may be.
    """

    name: str
    settings: Mapping[str, Any]
    note: str = ""


def with_settings(profile: Profile, settings: Mapping[str, Any]) -> Profile:
    """`profile` as its file would have it with `settings` in there, of those that are tried."""
    for key, value in settings.items():
        if key == "draft":
            profile = replace(
                profile,
                draft_model=None if value in ("none", "off") else value,
                draft_by_engine=(),
                use_draft=value != "off",
            )
        else:
            changed: Any = {_FIELDS[key]: value}
            profile = replace(profile, **changed)
    return profile


def engine_variants(engines: tuple[str, ...]) -> list[Variant]:
    return [Variant(f"engine {engine_title(engine)}", {"engine": engine}) for engine in engines]


def setting_variants(profile: Profile, engine: str, has_gpu: bool) -> Iterator[Variant]:
    """Changes to a profile on one engine, those that usually matter most first."""
    yield from _drafts(profile, engine)
    if engine == "llama.cpp":
        for wanted in (True, False):
            if profile.flash_attention is not wanted:
                name = f"flash attention {'on' if wanted else 'off'}"
                yield Variant(name, {"flash_attention": wanted})
    yield from _kv_types(profile)
    for tokens in (_CHUNK_TOKENS if has_gpu else _CHUNK_TOKENS_ON_CPU).get(engine, ()):
        if tokens != profile.prefill_chunk_tokens:
            yield Variant(f"prefill chunk {tokens}", {"prefill_chunk": tokens})


def _kv_types(profile: Profile) -> Iterator[Variant]:
    for place, kv_type in enumerate(_KV_TYPES):
        if kv_type == profile.kv_type:
            continue
        note = _COARSE if kv_type == "q4_0" else ""
        if profile.kv_type in _KV_TYPES and place < _KV_TYPES.index(profile.kv_type):
            note = _LARGER
        yield Variant(f"KV cache {kv_type}", {"kv_type": kv_type}, note)


def _drafts(profile: Profile, engine: str) -> Iterator[Variant]:
    present = profile.draft_for(engine) if profile.use_draft else None
    known = present or EMBEDDED_DRAFTS.get(profile.model_for(engine))
    if known is not None and present is None:
        yield Variant("draft model", {"draft": known})
    if present is not None:
        yield Variant("no draft model", {"draft": "none"})
    if not profile.use_draft:
        yield Variant("drafts from the text", {"draft": "none"})
        return
    yield Variant("no drafts", {"draft": "off"})
    for depth in _DEPTHS:
        if depth != profile.draft_depth:
            yield Variant(f"drafts of at most {depth}", {"draft_depth": depth})
