"""Where the keys of a TOML file stand. Neither tomllib nor tomlkit tells."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple


class Position(NamedTuple):
    """Both counted from 1."""

    line: int
    column: int


KeyPath = tuple[str, ...]

_DEEPEST = 16
"""Keys in keys beyond this are not told apart: no profile has them."""

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_REST_OF_LINE = re.compile(r"[^\n]*\n?")
_KEY = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+')
_TEXT = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}#\n]+")


def key_positions(text: str) -> dict[KeyPath, Position]:
    """The first place of every key and table of `text`, which is valid TOML."""
    return _Scanner(text).scan()


def end_of_own_keys(text: str) -> int | None:
    """Where the line of the last key that lies in no table ends; None where there is none."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.end_of_own_keys


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._index = 0
        self._line_begins = [0, *(found.end() for found in re.finditer("\n", text))]
        self._found: dict[KeyPath, Position] = {}
        self.end_of_own_keys: int | None = None

    def scan(self) -> dict[KeyPath, Position]:
        table: KeyPath = ()
        self._skip(_GAP)
        while self._index < len(self._text):
            before = self._index
            if self._next == "[":
                self._skip(re.compile(r"\[+[ \t]*"))
                table = self._keys(())
                self._skip(re.compile(r"[ \t]*\]+"))
            else:
                self._pair(table)
                if not table:
                    self._skip(_REST_OF_LINE)
                    self.end_of_own_keys = self._index
            self._skip(_GAP)
            if self._index == before:
                break  # not TOML after all
        return self._found

    def _position(self, index: int) -> Position:
        line = bisect_right(self._line_begins, index)
        return Position(line, index - self._line_begins[line - 1] + 1)

    @property
    def _next(self) -> str:
        return self._text[self._index : self._index + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._index)
        if found is None:
            return ""
        self._index = found.end()
        return found.group()

    def _keys(self, table: KeyPath) -> KeyPath:
        """A key, perhaps dotted; each of its parts is noted where it stands."""
        path = table
        while True:
            begin = self._index
            key = self._skip(_KEY)
            if not key:
                return path
            if len(path) <= _DEEPEST:
                path = (*path, _unquoted(key))
            self._found.setdefault(path, self._position(begin))
            self._skip(_SPACE)
            if self._next != ".":
                return path
            self._index += 1
            self._skip(_SPACE)

    def _pair(self, table: KeyPath) -> None:
        path = self._keys(table)
        self._skip(re.compile(r"[ \t]*=[ \t]*"))
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._next == "[":
            self._members("]", self._value, path)
        elif self._next == "{":
            self._members("}", self._pair, path)
        elif not self._skip(_TEXT):
            self._skip(_BARE)

    def _members(self, end: str, read: Callable[[KeyPath], None], path: KeyPath) -> None:
        """Of a list or an inline table, up to `end` or to what cannot be read."""
        self._index += 1
        self._skip(_GAP)
        while self._index < len(self._text) and self._next != end:
            before = self._index
            read(path)
            self._skip(_GAP)
            self._index += self._next == ","
            self._skip(_GAP)
            if self._index == before:
                return
        self._index += 1


def _unquoted(key: str) -> str:
    if key[0] == "'":
        return key[1:-1]
    if key[0] == '"':
        import tomllib

        return next(iter(tomllib.loads(f"{key} = 0")))
    return key
