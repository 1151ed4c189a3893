"""Whether a profile would work here, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from engines.errors import EngineError, GenerationError, IncompatibleDraftModel
from engines.model_files.adapters import locate_adapter
from engines.model_files.gguf import GgufHeader, read_header
from engines.model_files.gguf_bytes import GgufArray
from engines.model_files.locate import locate_model
from profiles.errors import ProfileError
from profiles.inheritance import TRUST_HINT
from profiles.keys import RUNNING_ENGINES
from profiles.layers import read_profile_text
from profiles.positions import key_positions
from profiles.resolve import load_request
from profiles.schema import Profile

_LONG_WINDOW_TOKENS = 8192
_LARGEST_VOCABULARY_DIFFERENCE = 128
"""llama.cpp's own limit between a draft and its target (common/speculative.cpp)."""


def check_profile(profile: Profile) -> list[ProfileError]:
    """Everything that keeps `profile` from working here; each error names the file and the key."""
    errors = []
    engine = profile.engine
    try:
        engine = load_request(profile).engine
    except EngineError as error:
        errors.append(_error(profile, "engine", error))
    model, draft_model = profile.model_for(engine) or profile.model, profile.draft_for(engine)
    target = _check_model(profile, "model", model, engine, errors)
    if draft_model is not None:
        draft = _check_model(profile, "draft", draft_model, engine, errors)
        if target is not None and draft is not None:
            errors += _check_draft(profile, target, draft)
    return errors + _check_adapter(profile, engine) + _check_constraint(profile)


def warnings_for(profile: Profile) -> list[str]:
    """What works and is still worth knowing; a sentence each."""
    warnings = [
        f"{key} does not count: the folder is not trusted. {TRUST_HINT}" for key in profile.ignored
    ]
    if profile.kv_type == "q4_0":
        warnings.append(
            "kv_type q4_0 is slow to prefill and loses detail at long context; q8_0 is the safe"
            " way to save memory."
        )
    window = profile.context_window_tokens or 0
    if profile.kv_type == "f32" and window > _LONG_WINDOW_TOKENS:
        warnings.append("kv_type f32 takes twice the memory of f16 and gains nothing.")
    return warnings


def _check_model(
    profile: Profile, key: str, model: str, engine: str, errors: list[ProfileError]
) -> GgufHeader | None:
    """The header of a GGUF model; None for another kind, and where an error was added."""
    if profile.engine == "scripted":
        return None
    try:
        path = locate_model(model, engine if engine != "auto" else "")
        return read_header(path) if path.is_file() else None
    except EngineError as error:
        errors.append(_error(profile, key, error))
        return None


def _check_adapter(profile: Profile, engine: str) -> list[ProfileError]:
    if profile.adapter is None or engine not in RUNNING_ENGINES:
        return []
    try:
        locate_adapter(profile.adapter, engine)
    except EngineError as error:
        return [_error(profile, "adapter", error)]
    return []


def _check_constraint(profile: Profile) -> list[ProfileError]:
    if profile.constraint is None:
        return []
    from engines.grammar.source import compile_constraint

    try:
        compile_constraint(profile.constraint)
    except GenerationError as error:
        return [_error(profile, profile.constraint.kind.value, error)]
    return []


def _check_draft(profile: Profile, target: GgufHeader, draft: GgufHeader) -> list[ProfileError]:
    difference = abs(_vocabulary_size(target) - _vocabulary_size(draft))
    same_kind = _tokenizer(target) == _tokenizer(draft)
    if same_kind and difference <= _LARGEST_VOCABULARY_DIFFERENCE:
        return []
    refused = IncompatibleDraftModel(
        "The draft model and the model do not share a vocabulary.",
        "Choose a smaller model of the same family, or remove the line.",
    )
    return [_error(profile, "draft", refused)]


def _tokenizer(header: GgufHeader) -> tuple[str, str]:
    return header.text("tokenizer.ggml.model"), header.text("tokenizer.ggml.pre")


def _vocabulary_size(header: GgufHeader) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, GgufArray):
        return tokens.length
    return len(tokens) if isinstance(tokens, tuple) else 0


def _error(profile: Profile, key: str, error: EngineError) -> ProfileError:
    """`error` at the line of the profile's own file that has `key`, if one has."""
    line, column = 0, 0
    if profile.origin != "builtin":
        try:
            found = key_positions(read_profile_text(Path(profile.origin)))
        except ProfileError:
            found = {}
        line, column = found.get((key,), (0, 0))
    return ProfileError(error.message, error.hint, profile.origin, key, line, column)
