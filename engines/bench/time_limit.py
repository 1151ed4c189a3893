"""Leaves out what would take too long."""

from __future__ import annotations

import time


class TimeLimit:
    """Says whether there is time for one more piece of work.

    Args:
        seconds: For all of it together; at least one piece is always done.
    """

    def __init__(self, seconds: float) -> None:
        self._end_s = time.monotonic() + seconds
        self._tokens_per_s = 0.0

    def allows(self, tokens: int) -> bool:
        """Whether work on `tokens` tokens would end in time, at the speed noted last."""
        if not self._tokens_per_s:
            return True
        return time.monotonic() + tokens / self._tokens_per_s <= self._end_s

    def note(self, tokens: int, elapsed_s: float) -> None:
        """`tokens` tokens took `elapsed_s`."""
        if elapsed_s > 0:
            self._tokens_per_s = tokens / elapsed_s
