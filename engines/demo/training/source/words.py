"""Verb phrases: from "Return the sum." to "return the sum" and "returns the sum"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ADVERBS = {"automatically", "efficiently", "lazily", "quickly", "randomly", "recursively", "safely"}
DOUBLING = re.compile(
    r"get|put|set|split|strip|swap|sum|run|map|flip|drop|pad|zip|log|stop|cut|plot|unzip|trim|skip"
)
VOWELS = "aeiou"


class VerbPhrase(NamedTuple):
    """What a function does, as in "to sort a list" (base) and "that sorts a list" (third)."""

    base: str
    third: str


def third_person(verb: str) -> str:
    """The third person singular of a regular English verb."""
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in VOWELS:
        return verb[:-1] + "ies"
    return verb + "s"


VERBS = set((Path(__file__).parent / "verbs.txt").read_text(encoding="utf-8").split())
BASE_FORMS = {third_person(verb): verb for verb in VERBS}


def verb_phrase(sentence: str) -> VerbPhrase | None:
    """Both forms of a sentence that begins with a known verb, None for other sentences."""
    text = sentence.rstrip(". ")
    word, _, rest = text.partition(" ")
    verb = word.lower()
    if verb in ADVERBS and rest:
        inner = verb_phrase(rest)
        return inner and VerbPhrase(f"{verb} {inner.base}", f"{verb} {inner.third}")
    if not rest or rest.startswith(("and ", "or ", ":")):
        return None
    if verb in VERBS:
        return VerbPhrase(f"{verb} {rest}", f"{third_person(verb)} {rest}")
    if verb in BASE_FORMS:
        return VerbPhrase(f"{BASE_FORMS[verb]} {rest}", f"{verb} {rest}")
    return None


def both_forms(phrase: str) -> VerbPhrase:
    """Like `verb_phrase`, taking the first word for a verb when it is not a known one."""
    word, _, rest = phrase.partition(" ")
    return verb_phrase(phrase) or VerbPhrase(phrase, f"{third_person(word)} {rest}")


def gerund(base: str) -> str:
    """ "sort a list" -> "sorting a list"."""
    verb, _, rest = base.partition(" ")
    if verb.endswith("ie"):
        verb = verb[:-2] + "ying"
    elif verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        verb = verb[:-1] + "ing"
    elif DOUBLING.fullmatch(verb):
        verb += verb[-1] + "ing"
    else:
        verb += "ing"
    return f"{verb} {rest}" if rest else verb


def capitalized(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[0].upper() + text[1:]


def lowered(text: str) -> str:
    """The text with its first letter in lower case, the rest as it is."""
    return text[0].lower() + text[1:]
