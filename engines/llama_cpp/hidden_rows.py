"""What the target computed for each token, kept for a prediction head that continues from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.kv.prefix import common_prefix_length

_ROWS_MAX = 4096


class HiddenRows:
    """Hidden states of consecutive tokens of one sequence, the latest ones.

    Args:
        width: Numbers in a hidden state.

    Attributes:
        first: Place of the first token that has one here.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.first = 0
        self._token_ids: list[int] = []
        self._rows: list[NDArray[np.float32]] = []

    @property
    def end(self) -> int:
        return self.first + len(self._rows)

    def add(self, position: int, token_ids: Sequence[int], rows: NDArray[np.float32]) -> None:
        """A pass over `token_ids` from `position` on gave `rows`; what was there before gives way.

        Shape of `rows`: tokens x width.
        """
        if not self.first <= position <= self.end:
            self.first = position
        self._cut(position)
        self._token_ids += token_ids
        self._rows += list(rows)
        self.forget_before(self.end - _ROWS_MAX)

    def before(self, position: int, count: int) -> NDArray[np.float32] | None:
        """For each of `count` tokens from `position` on, the state of the one before it.

        Shape: count x width; None where one is not there. Before the first token there is zero.
        """
        start = position - 1
        nothing = [np.zeros(self.width, np.float32)] if start < 0 else []
        start = max(0, start)
        needed = count - len(nothing)
        if needed and not self.first <= start <= start + needed <= self.end:
            return None
        offset = start - self.first
        return np.stack([*nothing, *self._rows[offset : offset + needed]])

    def keep_prefix_of(self, token_ids: Sequence[int]) -> None:
        """Drop what does not belong to the sequence `token_ids`.

        The tokens before the first one here are taken to be the same.
        """
        same = common_prefix_length(self._token_ids, list(token_ids[self.first :]))
        self._cut(self.first + same)

    def forget_before(self, position: int) -> None:
        surplus = position - self.first
        if surplus > 0:
            del self._token_ids[:surplus]
            del self._rows[:surplus]
            self.first = position

    def _cut(self, position: int) -> None:
        del self._token_ids[position - self.first :]
        del self._rows[position - self.first :]
