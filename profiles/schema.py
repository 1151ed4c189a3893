"""What a profile says, and the reading of it from TOML values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from engines.errors import GenerationError
from engines.types import Constraint, SamplingParams
from profiles.errors import ProfileError

ENGINES = ("auto", "mlx", "llama.cpp", "scripted")
KV_TYPES = ("f16", "bf16", "f32", "q8_0", "q4_0")
NAMES_IN_TOML = {"draft": "draft_model", "context_window": "context_window_tokens"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A task and what answers it.

    Args:
        name: The file's name without its ending; what `--profile` takes.
        title: What the app shows.
        task: What it is for, in a few words.
        engine: `mlx`, `llama.cpp`, or `auto` for the first one that works here.
        model: A GGUF file, a model folder, or an embedded model (`demo:target`).
        draft_model: The same for a draft model, or None.
        use_draft: False decodes plainly: no draft model, no lookups. `draft = "off"` in the file.
        kv_type: Element type of the KV cache.
        context_window_tokens: Limit to reserve for; None takes the model's own.
        reasoning: Ask for it (True), suppress it (False), or leave it to the model (None).
        max_tokens: Longest answer; None is limited by the context window only.
        constraint: The form that every answer must have; set by commands, not in the file.
        origin: Where the profile was read: `builtin`, or the path of its file.
    """

    name: str
    model: str
    title: str = ""
    task: str = ""
    engine: str = "auto"
    draft_model: str | None = None
    use_draft: bool = True
    kv_type: str = "f16"
    context_window_tokens: int | None = None
    reasoning: bool | None = None
    max_tokens: int | None = None
    system_prompt: str = ""
    stop: tuple[str, ...] = ()
    sampling: SamplingParams = field(default_factory=SamplingParams)
    options: tuple[tuple[str, str], ...] = ()
    constraint: Constraint | None = None
    origin: str = "builtin"


def profile_from_toml(name: str, values: Mapping[str, Any], origin: str) -> Profile:
    """A profile from the values of its file.

    Raises:
        ProfileError: a key is unknown, missing, or holds a value of the wrong kind.
    """
    known = _PROFILE_KINDS
    settings: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise _unknown_key(key, known, origin)
        settings[NAMES_IN_TOML.get(key, key)] = _checked(key, value, known[key], origin)
    if "model" not in settings:
        raise ProfileError(
            "is missing", 'Add a line such as: model = "demo:target"', origin, "model"
        )
    settings["use_draft"] = settings.get("draft_model") != "off"
    if settings.get("draft_model") in ("none", "off"):
        settings["draft_model"] = None
    settings["stop"] = tuple(settings.get("stop", ()))
    settings["sampling"] = _sampling(settings.get("sampling", {}), origin)
    _check_choice("engine", settings.get("engine", "auto"), ENGINES, origin)
    _check_choice("kv_type", settings.get("kv_type", "f16"), KV_TYPES, origin)
    settings["title"] = settings.get("title") or name.replace("-", " ").capitalize()
    return Profile(name=name, origin=origin, **settings)


_PROFILE_KINDS: dict[str, tuple[type, ...]] = {
    "title": (str,),
    "task": (str,),
    "engine": (str,),
    "model": (str,),
    "draft": (str,),
    "kv_type": (str,),
    "context_window": (int,),
    "reasoning": (bool,),
    "max_tokens": (int,),
    "system_prompt": (str,),
    "stop": (list,),
    "sampling": (dict,),
}


def _sampling(values: Mapping[str, Any], origin: str) -> SamplingParams:
    kinds: dict[str, tuple[type, ...]] = {
        f.name: (int,) if f.name in ("top_k", "seed") else (int, float)
        for f in fields(SamplingParams)
    } | {"logit_bias": (dict,)}
    for key, value in values.items():
        if key not in kinds:
            raise _unknown_key(key, kinds, origin, "sampling.")
        _checked(f"sampling.{key}", value, kinds[key], origin)
    settings = dict(values) | {"logit_bias": _logit_bias(values.get("logit_bias", {}), origin)}
    try:
        return SamplingParams(**settings)
    except GenerationError as error:
        raise ProfileError(error.message, error.hint, origin, "sampling") from error


def _logit_bias(values: Mapping[str, Any], origin: str) -> tuple[tuple[str, float], ...]:
    """The table's keys are texts; each must be one token of the model, which tells when it runs."""
    for text, bias in values.items():
        if not isinstance(bias, int | float) or isinstance(bias, bool):
            raise ProfileError(
                f"must be a number, not {bias!r}",
                'Write it like: logit_bias = {" foo" = -5}',
                origin,
                f"sampling.logit_bias.{text}",
            )
    return tuple(values.items())


def _checked(key: str, value: Any, kinds: tuple[type, ...], origin: str) -> Any:
    is_wrong = not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
    is_negative = isinstance(value, int | float) and not isinstance(value, bool) and value < 0
    if is_wrong or (is_negative and not key.endswith("_penalty")):
        wanted = {
            str: "a text",
            int: "a whole number of 0 or more",
            float: "a number of 0 or more",
            bool: "true or false",
            list: "a list of texts",
            dict: "a table",
        }[kinds[-1]]
        raise ProfileError(f"must be {wanted}, not {value!r}", "Correct the value.", origin, key)
    if kinds == (list,) and not all(isinstance(item, str) and item for item in value):
        raise ProfileError("must be a list of texts", 'Write it like ["###"].', origin, key)
    return value


def _check_choice(key: str, value: str, choices: tuple[str, ...], origin: str) -> None:
    if value not in choices:
        raise ProfileError(
            f"{value!r} is not known", f"Choose one of: {', '.join(choices)}.", origin, key
        )


def _unknown_key(key: str, known: Mapping[str, Any], origin: str, prefix: str = "") -> ProfileError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}."
    return ProfileError("is not a known key", hint, origin, prefix + key)
