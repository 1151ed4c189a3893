"""Untrusted text is made safe for the terminal."""

from __future__ import annotations

import random
import unicodedata

import pytest

from tui.sanitize import TextCleaner, one_line, printable

HOSTILE = [
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b]0;title\x07text", "text"),
    ("\x1b]52;c;ZXZpbA==\x1b\\text", "text"),
    ("\x9b31mred", "red"),
    ("\x9d0;title\x9ctext", "text"),
    ("\x1bPq#0\x1b\\text", "text"),
    ("\x1bctext", "text"),
    ("a\x00\x07\x08\x7f\x85b", "ab"),
    ("a\r\nb\rc", "a\nbc"),
    ("unfinished \x1b[", "unfinished "),
    ("tab\tstays\n", "tab\tstays\n"),
    ("ab\u202ecd\u2066e", "ab\ufffdcd\ufffde"),
    ("lone \ud800 surrogate", "lone \ufffd surrogate"),
    ("hidden\U000e0041\U000e0042\u200b\ufeff", "hidden"),
    ("line\u2028separator", "line\nseparator"),
    ("👩\u200d👩\u200d👧 é", "👩\u200d👩\u200d👧 é"),
]


@pytest.mark.parametrize(("text", "expected"), HOSTILE)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize("seed", range(40))
def test_cleaning_does_not_depend_on_the_cuts(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice(HOSTILE)[0] + chance.choice(["", "x", "\x1b"]) for _ in range(9))
    cleaner = TextCleaner()
    cleaned, rest = "", text
    while rest:
        length = chance.randint(1, 5)
        cleaned += cleaner.clean(rest[:length])
        rest = rest[length:]
    assert cleaned + cleaner.flush() == printable(text)


@pytest.mark.parametrize("seed", range(20))
def test_no_control_character_survives(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(
        chr(chance.choice([chance.randrange(0xA0), chance.randrange(0x2100)])) for _ in range(500)
    )
    for character in printable(text):
        assert character in "\n\t" or unicodedata.category(character) != "Cc"


def test_one_line() -> None:
    assert one_line(" a\n\tb\x1b[1m  c ") == "a b c"
