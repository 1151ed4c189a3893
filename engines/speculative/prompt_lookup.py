"""Drafts from the conversation itself: what followed the last time the same tokens came up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engines.kv.prefix import common_prefix_length
from engines.speculative.drafters import PROMPT_LOOKUP

NGRAM_SIZES = (4, 2)
LONGEST_MATCH_TOKENS = 32


class PromptLookup:
    """Looks the end of the sequence up in all of it: longest n-gram first, newest place first.

    Takes a few dictionary look-ups a token, however long the sequence is. A place that proves
    right is followed on until it proves wrong.
    """

    name = PROMPT_LOOKUP

    def __init__(self) -> None:
        self.token_ids: list[int] = []
        self.match_tokens = 0
        self._place = 0
        self._ends: tuple[dict[int, int], ...] = tuple({} for _ in NGRAM_SIZES)

    def follow(self, sequence_ids: Sequence[int]) -> None:
        """Hold `sequence_ids` and nothing else; where they only go on, what is held stays."""
        held = len(self.token_ids)
        if common_prefix_length(self.token_ids, list(sequence_ids)) < held:
            held = 0
            self.token_ids.clear()
            for ends in self._ends:
                ends.clear()
        self._index(sequence_ids[held:])
        self._search()

    def observe(self, token_id: int) -> None:
        if self.match_tokens and self.token_ids[self._place] == token_id:
            self._place += 1
            self.match_tokens += 1
        else:
            self.match_tokens = 0
        self.token_ids.append(token_id)
        self._search()

    def next_id(self) -> int | None:
        return self.token_ids[self._place] if self.match_tokens else None

    def propose(self, depth: int) -> list[int]:
        """Goes round again where the place is so near that its continuation ends too early."""
        if not self.match_tokens:
            return []
        proposed = self.token_ids[self._place : self._place + depth]
        while len(proposed) < depth:
            proposed += proposed[: depth - len(proposed)]
        return proposed

    def _search(self) -> None:
        """Find the place to follow, and enter the newest n-grams."""
        ids, end = self.token_ids, len(self.token_ids)
        for size, ends in zip(NGRAM_SIZES, self._ends, strict=True):
            if end < size:
                continue
            tail = tuple(ids[-size:])
            key = hash(tail)
            if size > self.match_tokens:
                place = ends.get(key, end)
                if place < end and tuple(ids[place - size : place]) == tail:
                    self._place = place
                    self.match_tokens = size + self._agreement(place - size, end - size)
            ends[key] = end

    def _agreement(self, first: int, second: int) -> int:
        """Tokens that are equal before the two places."""
        longest = min(first, LONGEST_MATCH_TOKENS)
        ids = self.token_ids
        for count in range(longest):
            if ids[first - 1 - count] != ids[second - 1 - count]:
                return count
        return longest

    def _index(self, token_ids: Sequence[int]) -> None:
        """Append tokens and enter all their n-grams but the last ones."""
        start = len(self.token_ids)
        self.token_ids += token_ids
        self.match_tokens = 0
        for size, ends in zip(NGRAM_SIZES, self._ends, strict=True):
            first = max(size, start)
            keys = self._keys(first - size, size)
            ends.update(zip(keys, range(first, len(self.token_ids)), strict=False))

    def _keys(self, first: int, size: int) -> Iterable[int]:
        """Keys of the n-grams from place `first` on."""
        ids = self.token_ids[first:]
        return map(hash, zip(*(ids[offset:] for offset in range(size)), strict=False))
