"""Whether there is a terminal to talk to."""

from __future__ import annotations

import os
import sys

from tui.command_line.failure import WrongUse


def has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def check_terminal() -> None:
    """A terminal that can show the app.

    Raises:
        WrongUse: there is none, or it cannot.
    """
    if not has_terminal():
        raise WrongUse(
            "The chat needs a terminal.", 'In a pipe or a script use: llm-tui ask "PROMPT"'
        )
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        raise WrongUse(
            "This terminal (TERM=dumb) cannot show a full-screen app.",
            "Use llm-tui repl, or set TERM to what your terminal is (xterm-256color).",
        )
