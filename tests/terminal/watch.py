"""Waiting for something to show on a terminal's screen."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.terminal.screen import TerminalScreen

Wanted = str | re.Pattern[str] | Callable[[TerminalScreen], bool]
"""A text within one row, a pattern over the whole screen, or a condition."""


class NotSeen(AssertionError):
    """Something did not show on the screen in time; the message holds the screen."""


class Watch:
    """The first time at which a text or pattern is on the screen; `seen_s` is None until then."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.seen_s: float | None = None

    def look(self, time_s: float, screen: TerminalScreen) -> None:
        """Compare with what shows at `time_s`."""
        if isinstance(self.wanted, str):
            hit = any(self.wanted in line for line in screen.lines)
        elif isinstance(self.wanted, re.Pattern):
            hit = self.wanted.search(screen.text) is not None
        else:
            hit = self.wanted(screen)
        if hit:
            self.seen_s = time_s
