"""How a command fails: one clear line on standard error, and what to do next."""

from __future__ import annotations

from typing import IO, Any

import click

DEBUG = "llm-tui.debug"
"""Key of `click.Context.meta`: True with `--debug`."""

INTERRUPTED = 130


class Failure(click.ClickException):
    """A command that could not do its work; the program leaves with 1.

    Args:
        hint: What to do next; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def format_message(self) -> str:
        return " ".join(part for part in (self.message, self.hint) if part)

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"llm-tui: {self.format_message()}", file=file, err=file is None)


class WrongUse(Failure):
    """A command that cannot be meant this way; the program leaves with 2."""

    exit_code = 2


def as_failure(error: Exception) -> Failure:
    """`error` in words for the user; our own errors bring theirs."""
    from engines.errors import ExplainedError

    if isinstance(error, ExplainedError):
        return Failure(error.message, error.hint)
    text = " ".join(str(error).split())[:300]
    return Failure(
        f"{type(error).__name__}: {text}" if text else type(error).__name__,
        "Run it again with --debug for the whole story.",
    )
