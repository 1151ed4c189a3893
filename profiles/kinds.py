"""What a key of a profile may hold: how it is read, checked and described to an editor."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_FILE_BYTES = 1_000_000
FOREVER = math.inf
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SHOWN = 60


class WrongValue(Exception):
    """A value that a key cannot hold.

    Args:
        message: What is wrong, as the end of a sentence that begins with the key.
        hint: What to do next.
        path: Keys within the value that lead to what is wrong.
    """

    def __init__(self, message: str, hint: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path


class Kind(ABC):
    """What a value may be."""

    @property
    @abstractmethod
    def words(self) -> str:
        """In words, such as "a text"."""

    @property
    def example(self) -> str:
        """A value as it is written in a file."""
        return '"…"'

    @abstractmethod
    def read(self, value: Any, folder: Path | None) -> Any:
        """The value as the program uses it.

        Args:
            folder: Where relative file names begin; None where there is no such place.

        Raises:
            WrongValue: it cannot be that.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The values as a JSON Schema."""

    def wrong(self, value: Any, hint: str = "") -> WrongValue:
        shown = repr(value)
        if len(shown) > _LONGEST_SHOWN:
            shown = f"{shown[:_LONGEST_SHOWN]}…"
        return WrongValue(
            f"must be {self.words}, not {shown}", hint or f"Write it like: {self.example}."
        )


@dataclass(frozen=True)
class Text(Kind):
    example_text: str = "…"

    @property
    def words(self) -> str:
        return "a text"

    @property
    def example(self) -> str:
        return f'"{self.example_text}"'

    def read(self, value: Any, folder: Path | None) -> str:
        if not isinstance(value, str):
            raise self.wrong(value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True)
class Choice(Kind):
    """One of several words.

    Args:
        hidden: Words that are taken and not advertised.
        hint: What to do where none of them is meant.
    """

    choices: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    hint: str = ""

    @property
    def words(self) -> str:
        return " or ".join(f'"{choice}"' for choice in self.choices)

    @property
    def example(self) -> str:
        return f'"{self.choices[0]}"'

    def read(self, value: Any, folder: Path | None) -> str:
        if value in (*self.choices, *self.hidden) and isinstance(value, str):
            return value
        known = f"Choose one of: {', '.join(self.choices)}. {self.hint}".strip()
        if isinstance(value, str):
            raise WrongValue(f"{value!r} is not known", known)
        raise self.wrong(value, known)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.choices)}


@dataclass(frozen=True)
class Switch(Kind):
    """True or false; None for "auto"."""

    @property
    def words(self) -> str:
        return 'true or false, or "auto"'

    @property
    def example(self) -> str:
        return "true"

    def read(self, value: Any, folder: Path | None) -> bool | None:
        if value == "auto":
            return None
        if not isinstance(value, bool):
            raise self.wrong(value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"enum": [True, False, "auto"]}


@dataclass(frozen=True)
class Number(Kind):
    """A number from `lowest` to `highest`."""

    lowest: float
    highest: float
    is_whole: bool = False
    zero_is_none: bool = False

    @property
    def words(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        if self.highest >= 2**31 - 1:
            return f"{kind} of {self.lowest:g} or more"
        return f"{kind} from {self.lowest:g} to {self.highest:g}"

    @property
    def example(self) -> str:
        return f"{max(self.lowest, 1 if self.is_whole else 0.5):g}"

    def read(self, value: Any, folder: Path | None) -> float | None:
        kinds = (int,) if self.is_whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise self.wrong(value)
        if not self.lowest <= value <= self.highest:  # which is so for nan as well
            raise self.wrong(value)
        return None if value == 0 and self.zero_is_none else value

    def schema(self) -> dict[str, Any]:
        return {
            "type": "integer" if self.is_whole else "number",
            "minimum": self.lowest,
            "maximum": self.highest,
        }


@dataclass(frozen=True)
class Texts(Kind):
    """A list of texts, none of them empty.

    Args:
        pattern: What each of them must look like.
    """

    pattern: str = "(?s:.+)"
    example_text: str = "###"

    @property
    def words(self) -> str:
        return "a list of texts"

    @property
    def example(self) -> str:
        return f'["{self.example_text}"]'

    def read(self, value: Any, folder: Path | None) -> tuple[str, ...]:
        is_list = isinstance(value, list | tuple)
        if not is_list or not all(isinstance(item, str) and item for item in value):
            raise self.wrong(value)
        for item in value:
            if not re.fullmatch(self.pattern, item):
                raise WrongValue(f"cannot have {item!r} in it", f"Write it like: {self.example}.")
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        item: dict[str, Any] = {"type": "string", "minLength": 1}
        if self.pattern != Texts.pattern:
            item["pattern"] = f"^{self.pattern}$"
        return {"type": "array", "items": item}


@dataclass(frozen=True)
class Duration(Kind):
    """Seconds, a text with a unit, or "forever"; read as seconds."""

    @property
    def words(self) -> str:
        return 'a time such as "10m", "forever", or a number of seconds'

    @property
    def example(self) -> str:
        return '"10m"'

    def read(self, value: Any, folder: Path | None) -> float:
        if value == "forever":
            return FOREVER
        if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
            return float(found[1]) * _SECONDS[found[2]]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf:
            raise self.wrong(value)
        return float(value)

    def schema(self) -> dict[str, Any]:
        pattern = r"^(forever|\d+(\.\d+)?\s*[smhd])$"
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": pattern}]}


@dataclass(frozen=True)
class TokenBiases(Kind):
    """A number for each text, which must be one token of the model."""

    largest: float

    @property
    def words(self) -> str:
        return "a table of texts and numbers"

    @property
    def example(self) -> str:
        return '{" foo" = -5}'

    def read(self, value: Any, folder: Path | None) -> dict[str, float]:
        if not isinstance(value, Mapping):
            raise self.wrong(value)
        number = Number(-self.largest, self.largest)
        biases = {}
        for text, bias in value.items():
            try:
                biases[text] = float(number.read(bias, None) or 0)
            except WrongValue as wrong:
                hint = f"Write it like: {self.example}."
                raise WrongValue(wrong.message, hint, (text,)) from None
        return biases

    def schema(self) -> dict[str, Any]:
        limits = {"minimum": -self.largest, "maximum": self.largest}
        return {"type": "object", "additionalProperties": {"type": "number", **limits}}
