"""Values of a profile that name models and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiles.kinds import LARGEST_FILE_BYTES, Kind, Text, WrongValue


@dataclass(frozen=True)
class ModelName(Text):
    """A reference to a model or an adapter; one that begins with a dot is beside the file."""

    example_text: str = "org/repo:Q4_K_M"

    def read(self, value: Any, folder: Path | None) -> str:
        name = super().read(value, folder)
        if not name.strip():
            raise WrongValue("must not be empty", f"Write it like: {self.example}.")
        if folder is not None and name.startswith(("./", "../")):
            return str((folder / name).resolve())
        return name

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class ModelByEngine(Kind):
    """One model for every engine, or a table with one for each."""

    engines: tuple[str, ...]
    example_text: str = "org/repo:Q4_K_M"

    @property
    def words(self) -> str:
        return "a text, or a table with a text for each engine"

    @property
    def example(self) -> str:
        return f'"{self.example_text}"'

    def read(self, value: Any, folder: Path | None) -> str | dict[str, str]:
        if not isinstance(value, Mapping):
            if not isinstance(value, str):
                raise self.wrong(value)
            return ModelName(self.example_text).read(value, folder)
        if not value:
            raise WrongValue("is an empty table", f"Write it like: {self.example}.")
        for engine, model in value.items():
            if engine not in self.engines:
                known = f"Choose one of: {', '.join(self.engines)}."
                raise WrongValue("is not an engine", known, (engine,))
            if not isinstance(model, str) or not model.strip():
                wrong = ModelName(self.example_text).wrong(model)
                raise WrongValue(wrong.message, wrong.hint, (engine,))
        name = ModelName(self.example_text)
        return {engine: name.read(model, folder) for engine, model in value.items()}

    def schema(self) -> dict[str, Any]:
        text = ModelName().schema()
        table = {
            "type": "object",
            "properties": dict.fromkeys(self.engines, text),
            "additionalProperties": False,
            "minProperties": 1,
        }
        return {"anyOf": [text, table]}


@dataclass(frozen=True)
class TextOfFile(Kind):
    """The text of a small file beside the profile, or the text itself.

    Args:
        inline_prefix: With this the text itself begins; empty where only files are named.
    """

    example_text: str
    inline_prefix: str = ""

    @property
    def words(self) -> str:
        return "the name of a text file" + (", or its text" if self.inline_prefix else "")

    @property
    def example(self) -> str:
        return f'"{self.example_text}"'

    def is_inline(self, value: Any) -> bool:
        return (
            bool(self.inline_prefix)
            and isinstance(value, str)
            and value.lstrip().startswith(self.inline_prefix)
        )

    def read(self, value: Any, folder: Path | None) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(value)
        if self.is_inline(value):
            return value
        path = (folder or Path()) / Path(value).expanduser()
        hint = f"Name a text file, such as {self.example}."
        try:
            if not path.is_file():
                raise WrongValue(f"names {path}, and there is no such file", hint)
            if path.stat().st_size > LARGEST_FILE_BYTES:
                raise WrongValue(f"names {path}, which is larger than 1 MB", hint)
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongValue(f"names {path}, which cannot be read ({error})", hint) from error

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}
