"""Reads one profile's file: which keys it has, where they stand, and what is wrong with them."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.types import Constraint, ConstraintKind
from profiles.errors import ProfileError
from profiles.kinds import WrongValue
from profiles.permissions import Permission, Permissions
from profiles.positions import KeyPath, Position, key_positions
from profiles.sampling import sampling_from
from profiles.schema import FIELD_OF_KEY, SETTINGS, Profile, all_keys
from profiles.settings import Setting, Table
from profiles.task import Task

Settings = dict[str, Any]
"""Checked values by key, as the program uses them; tables are dicts."""

_CONSTRAINT_KINDS = {
    "json_schema": ConstraintKind.JSON_SCHEMA,
    "grammar": ConstraintKind.GRAMMAR,
}
_BELONGS_TO_MODEL: tuple[str, ...] = (
    "draft",
    "draft_depth",
    "quantization",
    "adapter",
    "gpu_layers",
)
_DEEP_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){64}""")
_PLACE_IN_TEXT = re.compile(r"\s*\(at line (\d+), column (\d+)\)|\s*\(at end of document\)")


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is valid TOML.

    Args:
        origin: The file's path as errors name it, or `builtin`.
        folder: Where its relative file names begin; None for a built-in profile.
    """

    values: Mapping[str, Any]
    origin: str
    folder: Path | None = None
    positions: Mapping[KeyPath, Position] | None = None

    def error(self, message: str, hint: str, path: KeyPath) -> ProfileError:
        """An error at a key, or at the nearest thing around it that has a place."""
        known = self.positions or {}
        place = next((known[path[:n]] for n in range(len(path), 0, -1) if path[:n] in known), None)
        line, column = place or (0, 0)
        return ProfileError(message, hint, self.origin, ".".join(path), line, column)


def parse_document(text: str, origin: str, folder: Path | None = None) -> Document:
    """The document of a file's text.

    Raises:
        ProfileError: it is not TOML; the error says where.
    """
    try:
        if _DEEP_KEY.search(text):  # tomllib would take minutes
            raise RecursionError
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ProfileError("is nested too deeply", "Make it simpler.", origin) from error
    except ValueError as error:  # tomllib's own, and Python's for a number of thousands of digits
        found = _PLACE_IN_TEXT.search(str(error))
        line, column = (int(found[1]), int(found[2])) if found and found[1] else (0, 0)
        if found and not line:
            line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        reason = _PLACE_IN_TEXT.sub("", str(error))
        message = f"is not valid TOML: {reason}"
        raise ProfileError(message, "Correct that line.", origin, "", line, column) from error
    return Document(values, origin, folder, key_positions(text))


def read_settings(document: Document) -> tuple[Settings, list[ProfileError]]:
    """Every value that can be used, and an error for every one that cannot."""
    errors: list[ProfileError] = []
    settings = _read_table(document, (), document.values, dict(SETTINGS), errors)
    if {"json_schema", "grammar"} <= settings.keys():
        message, hint = "excludes json_schema", "Keep one of the two."
        errors.append(document.error(message, hint, ("grammar",)))
    errors.sort(key=lambda error: (error.line, error.column))
    return settings, errors


def _read_table(
    document: Document,
    table: KeyPath,
    values: Mapping[str, Any],
    known: Mapping[str, Setting],
    errors: list[ProfileError],
) -> Settings:
    settings: Settings = {}
    for key, value in values.items():
        path = (*table, key)
        if key not in known:
            hint = _hint_for_unknown(key, table, known)
            errors.append(document.error("is not a known key", hint, path))
            continue
        kind = known[key].kind
        try:
            read = kind.read(value, document.folder)
        except WrongValue as wrong:
            errors.append(document.error(wrong.message, wrong.hint, (*path, *wrong.path)))
            continue
        if isinstance(kind, Table):
            read = _read_table(document, path, read, kind.by_key, errors)
        settings[key] = read
    return settings


def _hint_for_unknown(key: str, table: KeyPath, known: Mapping[str, Setting]) -> str:
    """The nearest known key: in the same table, else anywhere."""
    if near := difflib.get_close_matches(key, known, n=1):
        return f"Did you mean {near[0]}?"
    elsewhere = {full.rpartition(".")[2]: full for full in all_keys()}
    if near := difflib.get_close_matches(key, elsewhere, n=1):
        return f"Did you mean {elsewhere[near[0]]}?"
    place = f"[{'.'.join(table)}]" if table else "a profile"
    return f"Keys of {place}: {', '.join(known)}."


def merged(base: Settings, over: Settings) -> Settings:
    """`over` on top of `base`; tables are merged key by key.

    A model brings its own draft, quantization and adapter, and a constraint replaces the other.
    """
    replaced = _BELONGS_TO_MODEL if "model" in over else ()
    if over.keys() & _CONSTRAINT_KINDS.keys():
        replaced = (*replaced, *_CONSTRAINT_KINDS)
    result = {key: value for key, value in base.items() if key not in replaced}
    return _over(result, over)


def _over(base: Settings, over: Settings) -> Settings:
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            value = _over(before, value)
        result[key] = value
    return result


def build_profile(name: str, settings: Settings, origin: str, **more: Any) -> Profile:
    """The profile of checked and merged settings.

    Args:
        more: Fields that come from elsewhere.

    Raises:
        ProfileError: there is no model, or none for the engine.
    """
    if "model" not in settings:
        hint = 'Add a line such as: model = "demo:target"'
        raise ProfileError("is missing", hint, origin, "model")
    values = {
        FIELD_OF_KEY[key]: value
        for key, value in settings.items()
        if key in FIELD_OF_KEY and key not in _CONSTRAINT_KINDS
    }
    values["model"], values["model_by_engine"] = _by_engine(settings["model"])
    draft, values["draft_by_engine"] = _by_engine(settings.get("draft", "none"))
    values["use_draft"] = draft != "off"
    values["draft_model"] = None if draft in ("none", "off") else draft
    values["task"] = Task(settings["task"]) if "task" in settings else None
    if values.get("adapter") == "none":
        values["adapter"] = None
    values["sampling"] = sampling_from(settings.get("sampling", {}))
    asked = settings.get("permissions", {})
    values["permissions"] = Permissions(**{key: Permission(text) for key, text in asked.items()})
    values["constraint"] = _constraint(settings)
    values["title"] = settings.get("title") or name.replace("-", " ").capitalize()
    profile = Profile(name=name, origin=origin, **(values | more))
    if profile.engine != "auto" and not profile.model_for(profile.engine):
        message = f"is {profile.engine}, and model has none for it"
        hint = f'Add it: model.{_quoted(profile.engine)} = "…"'
        raise ProfileError(message, hint, origin, "engine")
    return profile


def profile_from_toml(name: str, values: Mapping[str, Any], origin: str) -> Profile:
    """A profile from the values of a file that extends nothing.

    Raises:
        ProfileError: a key is unknown, missing, or holds a value of the wrong kind.
    """
    settings, errors = read_settings(Document(values, origin))
    if errors:
        raise errors[0]
    return build_profile(name, settings, origin)


def _by_engine(value: str | dict[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A model for whoever does not ask by engine, and the pairs where there are some."""
    if isinstance(value, str):
        return value, ()
    return next(iter(value.values())), tuple(value.items())


def _constraint(settings: Settings) -> Constraint | None:
    for key, kind in _CONSTRAINT_KINDS.items():
        if key in settings:
            return Constraint(kind, settings[key])
    return None


def _quoted(key: str) -> str:
    return f'"{key}"' if "." in key else key
