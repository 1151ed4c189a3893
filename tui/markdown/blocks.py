"""The blocks of a Markdown text, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced or indented code block; `is_open` while its closing fence has not been written."""

    language: str
    code: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    children: tuple[PlacedBlock, ...]


@dataclass(frozen=True, slots=True)
class ListItem:
    """One item of a list. `number` is None in an unordered list, `is_done` where it is no task."""

    number: int | None
    is_done: bool | None
    children: tuple[PlacedBlock, ...]
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """`alignments` holds left, right or center for each column."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    alignments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    pass


Block = Paragraph | Heading | CodeBlock | Quote | ListItem | Table | Rule


class PlacedBlock(NamedTuple):
    """A block, the blank rows above it, and the source line it starts on."""

    block: Block
    gap: int
    line: int
