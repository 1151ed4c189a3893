"""Reads Markdown into blocks with markdown-it; HTML stays literal text."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tui.markdown.blocks import (
    Block,
    CodeBlock,
    Heading,
    ListItem,
    Paragraph,
    PlacedBlock,
    Quote,
    Rule,
    Table,
)

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_TASK = re.compile(r"\[([ xX])\]\s+")
_FENCE_END = re.compile(r"[ >\t]*(`{3,}|~{3,})[ \t]*\Z")
_ALIGNMENT = re.compile(r"text-align:(\w+)")


@lru_cache(maxsize=1)
def markdown_it() -> MarkdownIt:
    """The one configured parser; imported on first use, since a chat starts without an answer."""
    from markdown_it import MarkdownIt

    from tui.markdown.maths import add_maths

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    add_maths(parser)
    return parser


def parse_blocks(
    source: str,
    env: MutableMapping[str, Any],
    *,
    first_gap: int = 0,
    first_number: int | None = None,
) -> list[PlacedBlock]:
    """The top-level blocks of `source`, a list given item by item.

    Args:
        env: Gathers the link reference definitions.
        first_gap: Blank rows above the first block.
        first_number: Number of the first block where it goes on with an ordered list.
    """
    parser = markdown_it()
    tokens: list[Token] = []
    parser.block.parse(source, parser, env, tokens)
    reader = _Reader(tokens, source.split("\n"), first_number)
    blocks = list(reader.read_blocks(is_nested=False))
    if blocks:
        blocks[0] = blocks[0]._replace(gap=first_gap)
    return blocks


class _Reader:
    """Walks the flat token list once, and makes nested blocks of it."""

    def __init__(
        self, tokens: Sequence[Token], lines: Sequence[str], first_number: int | None
    ) -> None:
        self._tokens = tokens
        self._lines = lines
        self._at = 0
        self._depth = 0
        self._first_number = first_number

    def read_blocks(self, is_nested: bool = True) -> Iterator[PlacedBlock]:
        """Blocks up to the end of the enclosing one."""
        is_first = True
        while self._at < len(self._tokens) and self._tokens[self._at].nesting >= 0:
            token = self._next()
            if token.type in ("bullet_list_open", "ordered_list_open"):
                yield from self._read_items(token, is_nested, is_first)
            else:
                line = (token.map or [0, 0])[0]
                gap = self._gap(line, is_nested, is_first)
                yield PlacedBlock(self._read_block(token), gap, line)
            is_first = False
        self._at += 1

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _gap(self, line: int, is_nested: bool, is_first: bool) -> int:
        if is_first:
            return 0
        return int(self._follows_blank(line)) if is_nested else 1

    def _follows_blank(self, line: int) -> bool:
        return line > 0 and not self._lines[line - 1].strip(" >\t")

    def _read_block(self, token: Token) -> Block:
        match token.type:
            case "heading_open":
                return Heading(int(token.tag[1]), self._read_inline())
            case "fence":
                language = token.info.strip().split(" ")[0]
                return CodeBlock(language, token.content, self._is_open(token))
            case "code_block":
                return CodeBlock("", token.content)
            case "blockquote_open":
                return Quote(tuple(self.read_blocks()))
            case "table_open":
                return self._read_table()
            case "hr":
                return Rule()
            case _:
                return Paragraph(self._read_inline())

    def _read_inline(self) -> str:
        content = self._next().content
        self._at += 1
        return content

    def _is_open(self, token: Token) -> bool:
        start, end = token.map or [0, 0]
        closing = _FENCE_END.match(self._lines[end - 1]) if end - 1 > start else None
        return not (closing and closing[1].startswith(token.markup))

    def _read_items(self, token: Token, is_nested: bool, is_first: bool) -> Iterator[PlacedBlock]:
        number: int | None = None
        if token.type == "ordered_list_open":
            number = int(token.attrGet("start") or 0) if token.attrGet("start") is not None else 1
            if is_first and not is_nested and self._first_number is not None:
                number = self._first_number
        while self._tokens[self._at].type == "list_item_open":
            line = (self._next().map or [0, 0])[0]
            gap = self._gap(line, is_nested, is_first)
            yield PlacedBlock(self._read_item(number), gap, line)
            number = None if number is None else number + 1
            is_nested, is_first = True, False
        self._at += 1

    def _read_item(self, number: int | None) -> ListItem:
        depth, self._depth = self._depth, self._depth + 1
        children = tuple(self.read_blocks())
        self._depth = depth
        first = children[0].block if children else None
        task = _TASK.match(first.text) if isinstance(first, Paragraph) else None
        if not task or not isinstance(first, Paragraph):
            return ListItem(number, None, children, depth)
        rest = children[0]._replace(block=Paragraph(first.text[task.end() :]))
        return ListItem(number, task[1] != " ", (rest, *children[1:]), depth)

    def _read_table(self) -> Table:
        rows: list[tuple[str, ...]] = []
        alignments: list[str] = []
        cells: list[str] = []
        while (token := self._next()).type != "table_close":
            if token.type == "tr_open":
                cells = []
            elif token.type == "inline":
                cells.append(token.content)
            elif token.type == "tr_close":
                rows.append(tuple(cells))
            elif token.type == "th_open":
                style = _ALIGNMENT.match(str(token.attrGet("style") or ""))
                alignments.append(style[1] if style else "left")
        return Table(rows[0], tuple(rows[1:]), tuple(alignments))
