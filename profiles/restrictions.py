"""What a project's profile may not say until the user trusts its folder.

A cloned repository can bring profiles. Text that reaches the model and settings that cost time are
no more than what its other files can do; but it may not have native code read a file of its
choice (models and adapters are parsed by C++), read files outside of the project, or let tools do
more than they may by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from profiles.permissions import Permission, Permissions
from profiles.schema import SETTINGS, Profile


def without_risky_keys(
    values: Mapping[str, Any], folder: Path, project: Path
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The values that need no trust, and the keys of the others.

    Args:
        folder: Where relative names in the file begin.
        project: Files within it may be read.
    """
    kept = dict(values)
    ignored: list[str] = []
    for key in ("model", "draft"):
        if key in kept and not _names_models(kept[key]):
            ignored.append(key)
    if kept.get("adapter", "none") != "none":
        ignored.append("adapter")
    for key in ("json_schema", "grammar"):
        if key in kept and not _is_within(kept[key], key, folder, project):
            ignored.append(key)
    for key in ignored:
        del kept[key]
    asked = kept.get("permissions")
    if isinstance(asked, Mapping):
        wide = _wide_permissions(asked)
        kept["permissions"] = {key: value for key, value in asked.items() if key not in wide}
        ignored += [f"permissions.{key}" for key in wide]
    return kept, tuple(ignored)


def restricted(profile: Profile, base_tools: tuple[str, ...] | None) -> Profile:
    """`profile` with no more than the default permissions, and no tools beside `base_tools`.

    Args:
        base_tools: What the profile would offer without the project's files.
    """
    wide = profile.permissions.wider_than(Permissions())
    ignored = [f"permissions.{name}" for name in wide]
    tools = profile.tools
    if tools is not None and not set(tools) <= set(base_tools or ()):
        tools = base_tools
        ignored.append("tools")
    return replace(
        profile,
        permissions=profile.permissions.at_most(Permissions()),
        tools=tools,
        ignored=tuple(dict.fromkeys((*profile.ignored, *ignored))),
    )


def _names_models(value: Any) -> bool:
    """Whether every model is named, and none is a file: those are found by name only."""
    from engines.model_files.reference import ModelReference, ReferenceKind

    models = value.values() if isinstance(value, Mapping) else [value]
    return all(
        not isinstance(model, str)  # the reader says what is wrong with it
        or model in ("none", "off")
        or (ModelReference.parse(model).kind is not ReferenceKind.PATH and ".." not in model)
        for model in models
    )


def _is_within(value: Any, key: str, folder: Path, project: Path) -> bool:
    kind = SETTINGS[key].kind
    if not isinstance(value, str) or getattr(kind, "is_inline", lambda text: False)(value):
        return True
    try:
        return (folder / Path(value).expanduser()).resolve().is_relative_to(project.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _wide_permissions(asked: Mapping[str, Any]) -> list[str]:
    default = Permissions()
    return [
        key
        for key, value in asked.items()
        if hasattr(default, key)
        and value in tuple(Permission)
        and Permission(value).is_wider_than(getattr(default, key))
    ]
