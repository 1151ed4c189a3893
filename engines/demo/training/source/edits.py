"""Edits of code that training dialogues ask for: renaming a name, planting a syntax error."""

from __future__ import annotations

import io
import re
import tokenize
from random import Random
from typing import NamedTuple

BLOCK_KEYWORD = re.compile(r"\s*(def|if|for|while|else|elif|try|except|with|class)\b")
TYPOS = {
    "return": "retrun",
    "else": "esle",
    "for": "fro",
    "import": "improt",
    "not": "nto",
    "def": "dfe",
}


class BrokenCode(NamedTuple):
    """Code with one syntax error, and the sentence that names it."""

    code: str
    diagnosis: str


def rename(code: str, old: str, new: str) -> str | None:
    """The code with the name `old` replaced, attributes left alone; None if it has no tokens."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    lines = code.split("\n")
    for i, token in reversed(list(enumerate(tokens))):
        attribute = i > 0 and tokens[i - 1].string == "."
        if token.type == tokenize.NAME and token.string == old and not attribute:
            row, start = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:start] + new + line[token.end[1] :]
    return "\n".join(lines)


def without_colon(line: str) -> BrokenCode | None:
    keyword = BLOCK_KEYWORD.match(line)
    if not keyword or not line.endswith(":"):
        return None
    return BrokenCode(line[:-1], f"The `{keyword.group(1)}` line is missing a colon at the end.")


def without_parenthesis(line: str) -> BrokenCode | None:
    if not line.endswith(")") or line.count("(") != line.count(")"):
        return None
    where = f" in `{line.strip()[:-1]}`" if len(line.strip()) < 60 else ""
    return BrokenCode(line[:-1], f"A closing parenthesis is missing{where}.")


def with_typo(line: str) -> BrokenCode | None:
    for word, typo in TYPOS.items():
        if re.search(rf"\b{word}\b", line):
            broken = re.sub(rf"\b{word}\b", typo, line, count=1)
            return BrokenCode(broken, f"`{typo}` is a typo. It should be `{word}`.")
    return None


def without_quote(line: str) -> BrokenCode | None:
    if not line.endswith("'") or line.count("'") != 2:
        return None
    return BrokenCode(line[:-1], "A closing quote is missing.")


BREAKS = [without_colon, without_colon, without_parenthesis, with_typo, without_quote]


def break_code(code: str, rng: Random) -> BrokenCode | None:
    """Plants one syntax error at random; None when the drawn kind has no place in this code."""
    lines = code.split("\n")
    break_line = rng.choice(BREAKS)
    order = list(range(len(lines)))
    rng.shuffle(order)
    for i in order:
        if broken := break_line(lines[i]):
            return BrokenCode(
                "\n".join([*lines[:i], broken.code, *lines[i + 1 :]]), broken.diagnosis
            )
    return None
