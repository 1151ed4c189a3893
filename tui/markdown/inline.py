"""Reads the inline part of Markdown (emphasis, code, links, maths) into styled runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from tui.markdown.lines import Run
from tui.markdown.parser import markdown_it
from tui.sanitize import printable

if TYPE_CHECKING:
    from markdown_it.token import Token

_LONGEST = 20_000
"""Characters; a longer paragraph is shown as it was written."""

_CACHED = 4096
_STYLES = {"em_open": "emphasis", "strong_open": "strong", "s_open": "strike"}
_URL = re.compile(r"(?:https?://|mailto:)[!-~]+", re.IGNORECASE)
_BARE_URL = re.compile(r"https?://[^\s<>\"'`|]*[^\s<>\"'`|.,;:!?)\]}*_]")
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def safe_url(url: str) -> str:
    """`url` when a terminal may open it (http, https, mailto; printable ASCII), else nothing."""
    return url if _URL.fullmatch(url) else ""


class InlineReader:
    """Turns inline Markdown into runs, each text once; `env` holds the link references."""

    def __init__(self, env: MutableMapping[str, Any]) -> None:
        self._env = env
        self._runs: dict[str, tuple[Run, ...]] = {}

    def clear(self) -> None:
        """Forget what was read: the link references have changed."""
        self._runs.clear()

    def read(self, text: str) -> tuple[Run, ...]:
        """The runs of `text`; a newline in one is a forced line break."""
        runs = self._runs.get(text)
        if runs is None:
            if len(self._runs) >= _CACHED:
                self._runs.clear()
            runs = self._runs[text] = self._parse(text)
        return runs

    def _parse(self, text: str) -> tuple[Run, ...]:
        if len(text) > _LONGEST:
            return (Run(text),)
        parser = markdown_it()
        tokens: list[Token] = []
        parser.inline.parse(text.strip(), parser, self._env, tokens)
        return tuple(_merged(_read_tokens(tokens)))


def _read_tokens(tokens: list[Token]) -> Iterator[Run]:
    styles: list[str] = []
    link = ""
    for token in tokens:
        style = " ".join(styles)
        match token.type:
            case "text":
                text = _LINE_BREAK.sub("\n", _drawable(token.content))
                yield from [Run(text, style, link)] if link else _with_bare_urls(text, style)
            case "softbreak":
                yield Run(" ", style, link)
            case "hardbreak":
                yield Run("\n", style, link)
            case "code_inline" | "math_inline":
                content = _drawable(token.content).replace("\n", " ")
                yield Run(content, f"{style} {token.type.split('_')[0]}".strip(), link)
            case "image":
                source = safe_url(str(token.attrGet("src") or ""))
                label = _drawable(token.content) or "image"
                yield Run(f"[{label}]", f"{style} link".strip(), source)
            case "link_open":
                link = safe_url(str(token.attrGet("href") or ""))
                styles.append("link")
            case _ if token.nesting == 1:
                styles.append(_STYLES.get(token.type, ""))
            case _ if token.nesting == -1:
                styles.pop()
                link = "" if token.type == "link_close" else link


def _drawable(text: str) -> str:
    """`text` made safe once more: a character reference can stand for any character."""
    return printable(text).replace("\t", " ")


def _with_bare_urls(text: str, style: str) -> Iterator[Run]:
    position = 0
    for match in _BARE_URL.finditer(text) if "://" in text else ():
        yield Run(text[position : match.start()], style)
        yield Run(match[0], f"{style} link".strip(), safe_url(match[0]))
        position = match.end()
    yield Run(text[position:], style)


def _merged(runs: Iterator[Run]) -> Iterator[Run]:
    """`runs` with neighbors in one style joined and empty ones left out."""
    last = Run("")
    for run in runs:
        if run[1:] == last[1:]:
            last = last._replace(text=last.text + run.text)
        else:
            if last.text:
                yield last
            last = run
    if last.text:
        yield last
