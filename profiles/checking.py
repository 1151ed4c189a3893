"""Whether a profile would work here, before anything is loaded."""

from __future__ import annotations

from engines.errors import EngineError
from engines.model_files.gguf import GgufHeader, read_header
from engines.model_files.gguf_bytes import GgufArray
from engines.model_files.locate import locate_model
from profiles.errors import ProfileError
from profiles.resolve import load_request
from profiles.schema import Profile

_LONG_WINDOW_TOKENS = 8192
_LARGEST_VOCABULARY_DIFFERENCE = 128
"""llama.cpp's own limit between a draft and its target (common/speculative.cpp)."""


def check_profile(profile: Profile) -> list[ProfileError]:
    """Everything that keeps `profile` from working here; each error names the file and the key."""
    errors = []
    try:
        load_request(profile)
    except EngineError as error:
        errors.append(_error(profile, "engine", error.message, error.hint))
    target = _check_model(profile, "model", profile.model, errors)
    if profile.draft_model is not None:
        draft = _check_model(profile, "draft", profile.draft_model, errors)
        if target is not None and draft is not None:
            errors += _check_draft(profile, target, draft)
    return errors


def warnings_for(profile: Profile) -> list[str]:
    """What works and is still worth knowing; a sentence each."""
    warnings = []
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
    profile: Profile, key: str, model: str, errors: list[ProfileError]
) -> GgufHeader | None:
    """The header of a GGUF model; None for another kind, and where an error was added."""
    if profile.engine == "scripted":
        return None
    try:
        path = locate_model(model)
        return read_header(path) if path.suffix.lower() == ".gguf" else None
    except EngineError as error:
        errors.append(_error(profile, key, error.message, error.hint))
        return None


def _check_draft(profile: Profile, target: GgufHeader, draft: GgufHeader) -> list[ProfileError]:
    difference = abs(_vocabulary_size(target) - _vocabulary_size(draft))
    same_kind = _tokenizer(target) == _tokenizer(draft)
    if same_kind and difference <= _LARGEST_VOCABULARY_DIFFERENCE:
        return []
    return [
        _error(
            profile,
            "draft",
            "The draft model and the model do not share a vocabulary.",
            "Choose a smaller model of the same family, or remove the line.",
        )
    ]


def _tokenizer(header: GgufHeader) -> tuple[str, str]:
    return header.text("tokenizer.ggml.model"), header.text("tokenizer.ggml.pre")


def _vocabulary_size(header: GgufHeader) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, GgufArray):
        return tokens.length
    return len(tokens) if isinstance(tokens, tuple) else 0


def _error(profile: Profile, key: str, message: str, hint: str) -> ProfileError:
    return ProfileError(message, hint, profile.origin, key)
