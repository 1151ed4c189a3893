"""Keeps TeX readable: what stands between maths delimiters is not Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline

_MATHS = re.compile(
    r"\\\((?P<round>.+?)\\\)|\\\[(?P<square>.+?)\\\]|\$\$(?P<display>.+?)\$\$"
    r"|\$(?P<inline>[^\s$](?:[^$\n]*[^\s$\\])?)\$(?!\d)",
    re.DOTALL,
)


def add_maths(parser: MarkdownIt) -> None:
    r"""Teach `parser` `\(…\)`, `\[…\]`, `$…$` and `$$…$$`, passed on as `math_inline` tokens."""
    parser.inline.ruler.before("escape", "math_inline", _read_maths)


def _read_maths(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "\\$":
        return False
    match = _MATHS.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        token = state.push("math_inline", "", 0)
        token.content = match[0]
    state.pos = match.end()
    return True
