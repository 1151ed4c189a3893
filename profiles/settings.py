"""One key of a profile's file, described once: for the reader, editors and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiles.kinds import Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """A key.

    Args:
        key: As it is written in the file.
        description: What it does, one or two sentences.
        default: What holds where neither the file nor what it extends has the key, in words.
    """

    key: str
    kind: Kind
    description: str
    default: str = ""


@dataclass(frozen=True)
class Table(Kind):
    """A table with keys of its own."""

    settings: tuple[Setting, ...]

    @property
    def words(self) -> str:
        return "a table"

    @property
    def example(self) -> str:
        first = self.settings[0]
        return f"{{{first.key} = {first.kind.example}}}"

    @property
    def by_key(self) -> dict[str, Setting]:
        return {setting.key: setting for setting in self.settings}

    def read(self, value: Any, folder: Path | None) -> Mapping[str, Any]:
        """The table as it is: `profiles.reading` goes on with its keys, one by one."""
        if not isinstance(value, Mapping):
            raise self.wrong(value)
        return value

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {setting.key: described_schema(setting) for setting in self.settings},
            "additionalProperties": False,
        }


def described_schema(setting: Setting) -> dict[str, Any]:
    text = setting.description
    if setting.default:
        text += f" Default: {setting.default}."
    return {"description": text} | setting.kind.schema()


def from_keys(*settings: Setting) -> dict[str, Any]:
    """Metadata of a dataclass field: the keys of the file that its value comes from."""
    return {"settings": settings}
