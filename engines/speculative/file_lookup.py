"""Drafts from files: while a model rewrites one, the file itself is the draft."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from engines.speculative.drafters import FILE_LOOKUP

_NGRAM_TOKENS = 3
_CANDIDATES_MAX = 16
_LONGEST_MATCH_TOKENS = 32
_WORTH_RESUMING_TOKENS = 8
_BETWEEN_FILES = -1
"""Stands between two files; no token has this id."""


class FileLookup:
    """Follows a place in the reference texts, and finds it again after each divergence.

    Where a token differs, the file is first taken up right behind it, as if that one token had
    been exchanged; where that is wrong, at the next place that agrees with the newest tokens, the
    longest agreement first and going forward in the file.

    Args:
        files: Token ids of each reference text.
    """

    name = FILE_LOOKUP

    def __init__(self, files: Sequence[Sequence[int]]) -> None:
        self.match_tokens = 0
        self._place = 0
        self._newest: list[int] = []
        self._source: list[int] = []
        for file in files:
            self._source += [*file, _BETWEEN_FILES]
        self._places: dict[tuple[int, ...], list[int]] = {}
        grams = zip(*(self._source[offset:] for offset in range(_NGRAM_TOKENS)), strict=False)
        for place, gram in enumerate(grams, _NGRAM_TOKENS):
            self._places.setdefault(gram, []).append(place)

    def follow(self, sequence_ids: Sequence[int]) -> None:
        """A new answer begins after `sequence_ids`."""
        self._newest = list(sequence_ids[-_LONGEST_MATCH_TOKENS:])
        self.match_tokens = self._place = 0
        self._search()

    def observe(self, token_id: int) -> None:
        before = self.match_tokens
        if before and self._source[self._place] == token_id:
            self.match_tokens += 1
        else:
            self.match_tokens = 1 if before >= _WORTH_RESUMING_TOKENS else 0
        self._place += 1 if before else 0
        self._newest.append(token_id)
        if len(self._newest) > 4 * _LONGEST_MATCH_TOKENS:
            del self._newest[:-_LONGEST_MATCH_TOKENS]
        if self.match_tokens < _WORTH_RESUMING_TOKENS:
            self._search()
        if self.match_tokens and self.next_id() is None:
            self.match_tokens = 0

    def next_id(self) -> int | None:
        if not self.match_tokens or self._place >= len(self._source):
            return None
        token_id = self._source[self._place]
        return None if token_id == _BETWEEN_FILES else token_id

    def propose(self, depth: int) -> list[int]:
        if not self.match_tokens:
            return []
        proposed = self._source[self._place : self._place + depth]
        end = proposed.index(_BETWEEN_FILES) if _BETWEEN_FILES in proposed else len(proposed)
        return proposed[:end]

    def _search(self) -> None:
        places = self._places.get(tuple(self._newest[-_NGRAM_TOKENS:]), [])
        if not places:
            return
        first = bisect_left(places, self._place) % len(places)
        for place in places[first : first + _CANDIDATES_MAX]:
            agreeing = self._agreement(place)
            if agreeing > self.match_tokens:
                self._place, self.match_tokens = place, agreeing

    def _agreement(self, place: int) -> int:
        """Tokens before `place` that are equal to the newest of the sequence."""
        longest = min(place, len(self._newest), _LONGEST_MATCH_TOKENS)
        for count in range(longest):
            if self._source[place - 1 - count] != self._newest[-1 - count]:
                return count
        return longest
