"""Descriptive sentences out of docstrings, without markup and sections."""

from __future__ import annotations

import re

ROLE = re.compile(r":(?:[a-z]+:)?[a-z]+:`~?\.?([^`<]*?)(?:\s*<[^>]*>)?`")
SECTION = re.compile(
    r"^\s*(parameters?|returns?|yields?|raises|args|arguments|keyword arg\w*|examples?|notes?"
    r"|see also|references|attributes|methods|warnings?|usage|shape|inputs?|outputs?|kwargs|since"
    r"|todo)\b\s*:?\s*$",
    re.I,
)
LIST_OR_DIRECTIVE = re.compile(r"^\s*(:\w+|@\w+|>>>|\.\. |-{3,}|={3,}|\* |- |\d+\. |\||\+[-=])")
UNWANTED = re.compile(
    r"https?:|TODO|FIXME|XXX|%\(|\{\{|\$\{|deprecated|versionadded|^\W|[\\]|<<|::", re.I
)
SIGNATURE = re.compile(r"^[\w.]+\(.*?\)( *->.*)?\.?$|^[A-Z]\.\w+\(")
SENTENCE = re.compile(r"(.+?[a-z0-9`)\]])\.(\s|$)")
PARAGRAPHS_CHARS = 650


def without_markup(text: str) -> str:
    """reStructuredText as Markdown: roles, literals, links and citations."""
    text = ROLE.sub(r"`\1`", text)
    text = re.sub(r"``([^`]*)``", r"`\1`", text)
    text = re.sub(r"\[\d+\]_|\[[A-Za-z0-9]+\]_", "", text)
    text = re.sub(r"`([^`<]+?)\s*<[^>`]*>`_+", r"\1", text)
    text = re.sub(r"`([^`]+)`_+", r"\1", text)
    return re.sub(r"[ \t]+", " ", text).strip()


def raw_paragraphs(docstring: str) -> list[str]:
    """The leading paragraphs, each on one line, up to the first section, list or directive."""
    found: list[str] = []
    lines: list[str] = []
    for line in [*docstring.strip().split("\n"), ""]:
        if SECTION.match(line) or LIST_OR_DIRECTIVE.match(line):
            break
        if line.startswith("    ") and not lines:
            break
        if line.strip():
            lines.append(line.strip())
        elif lines:
            found.append(without_markup(" ".join(lines)))
            lines = []
    return found


def paragraphs(docstring: str) -> list[str]:
    """The paragraphs that describe, as sentences, at most `PARAGRAPHS_CHARS` long in all."""
    kept: list[str] = []
    size = 0
    for text in raw_paragraphs(docstring):
        if not kept and SIGNATURE.match(text):
            continue
        if UNWANTED.search(text) or text.endswith(":") or not text.isascii():
            break
        if size + len(text) > PARAGRAPHS_CHARS:
            break
        if text[-1] not in ".!?":
            text += "."
        kept.append(text[0].upper() + text[1:])
        size += len(text)
    return kept


def first_sentence(paragraph: str) -> str | None:
    """The paragraph's first sentence without its period, None when too short or too long."""
    match = SENTENCE.match(paragraph)
    sentence = match.group(1) if match else paragraph.rstrip(".")
    if not 15 <= len(sentence) <= 150 or len(sentence.split()) < 3:
        return None
    return sentence
