"""`llm-tui repl`: the conversation line by line."""

from __future__ import annotations

from typing import Any

import click

from tui.command_line.failure import WrongUse
from tui.command_line.options import debug_option, model_options, options_from
from tui.command_line.terminal_check import has_terminal


@click.command()
@model_options
@debug_option
@click.pass_context
def repl(ctx: click.Context, /, **values: Any) -> None:
    """Chat line by line: for dumb terminals, screen readers and slow links."""
    options = options_from(ctx, values)
    if not has_terminal():
        raise WrongUse(
            "Line mode needs a terminal.", 'In a pipe or a script use: llm-tui ask "PROMPT"'
        )
    from tui.repl import run_repl

    run_repl(options)
