"""Finds rows by what is typed: all words, anywhere, also with letters left out."""

from __future__ import annotations

from collections.abc import Sequence

from tui.models.row import ModelRow

_NAME, _OTHER = 2.0, 1.0
"""What counts more: the name, or family, quantization and source."""


def matching_rows(query: str, rows: Sequence[ModelRow]) -> list[ModelRow]:
    """Rows that have every word of `query`, the best first; all, as they are, for no words."""
    words = query.lower().split()
    scored = [(score, row) for row in rows if (score := _score(words, row)) is not None]
    return [row for _, row in sorted(scored, key=lambda pair: -pair[0])] if words else list(rows)


def match_score(word: str, text: str) -> float:
    """From 0, not there, to 1, the beginning of a word in `text`; both in lower case.

    Letters in the right order with others between them count up to a third. Takes time in
    proportion to the text, whatever the two are.
    """
    place = text.find(word)
    if place >= 0:
        is_start = place == 0 or not text[place - 1].isalnum()
        return 1.0 if is_start else 0.8
    first = end = -1
    for letter in word:
        end = text.find(letter, end + 1)
        if end < 0:
            return 0.0
        first = end if first < 0 else first
    density = len(word) / (end + 1 - first)
    return density / 3 if density >= 0.5 else 0.0


def _score(words: Sequence[str], row: ModelRow) -> float | None:
    """The sum over the words; None where one is not there."""
    others = f"{row.family} {row.quantization} {row.source} {' '.join(row.engines)}".lower()
    name = row.name.lower()
    total = 0.0
    for word in words:
        best = max(_NAME * match_score(word, name), _OTHER * match_score(word, others))
        if not best:
            return None
        total += best
    return total
