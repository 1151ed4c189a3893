"""Text of any length, for prompts whose content does not matter."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from random import Random

OPENING = "The history of the city began"
"""What the decode benchmark continues: no chat, so that hardly any model ends early."""


@cache
def _words() -> list[str]:
    return (files("engines.bench") / "filler_words.txt").read_text(encoding="utf-8").split()


def filler_ids(encode: Callable[[str], list[int]], tokens: int, seed: int) -> list[int]:
    """Exactly `tokens` token ids of made-up sentences; another seed gives other ones from the
    first word on, so that no KV cache can serve them."""
    random = Random(seed)
    ids: list[int] = []
    while len(ids) < tokens:
        ids += encode(" ".join(itertools.islice(_sentences(random), 200)))
    return ids[:tokens]


def filler_text(words: int, seed: int) -> str:
    """Made-up sentences of so many words together."""
    sentences = _sentences(Random(seed))
    return " ".join(itertools.islice(sentences, words))


def _sentences(random: Random) -> itertools.chain[str]:
    return itertools.chain.from_iterable(_sentence(random) for _ in itertools.count())


def _sentence(random: Random) -> list[str]:
    words = random.choices(_words(), k=random.randrange(6, 14))
    return [words[0].capitalize(), *words[1:-1], words[-1] + "."]
