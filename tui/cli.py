"""The program's entry point: `llm-tui` starts the app, `llm-tui COMMAND` does one thing.

Only click is imported here; everything else is imported by the command that needs it.
"""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import click

from tui.command_line.failure import DEBUG, INTERRUPTED, as_failure
from tui.command_line.options import debug_option, model_options, options_from
from tui.command_line.terminal_check import check_terminal
from tui.version import VERSION

COMMANDS = ("ask", "repl", "models", "sessions", "profiles", "bench", "tune", "doctor")
_IS_COMMAND = "llm-tui.is-command"


class Program(click.Group):
    """The app with commands beside it: a first word that is no command is a file to attach."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_IS_COMMAND] = bool(args) and args[0] in COMMANDS
        ctx.allow_interspersed_args = not ctx.meta[_IS_COMMAND]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        if ctx.meta.get(_IS_COMMAND):
            return [param for param in params if not isinstance(param, click.Argument)]
        return params

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"tui.command_line.{cmd_name}"), cmd_name
        )
        return command

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "[FILE]..."]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except click.Abort as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise click.exceptions.Exit(INTERRUPTED) from None
            raise
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.meta.get(DEBUG):
                raise
            raise as_failure(error) from error


@click.command(
    cls=Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@model_options
@debug_option
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.version_option(VERSION, message="llm-tui %(version)s")
@click.pass_context
def program(ctx: click.Context, /, files: tuple[str, ...] = (), **values: Any) -> None:
    """Chat with a language model that runs on this machine, in this terminal.

    FILEs are attached to the first message. Options of a command come after its name.
    """
    if ctx.invoked_subcommand is not None:
        return
    options = options_from(ctx, values, files=tuple(_existing_file(name) for name in files))
    check_terminal()
    from tui.app import run_app

    ctx.exit(run_app(options) or 0)


def _existing_file(name: str) -> Path:
    if (path := Path(name)).is_file():
        return path
    if name in COMMANDS:
        raise click.UsageError(f"Write the command first: llm-tui {name} [OPTIONS]")
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f" Did you mean the command {near[0]}?" if near else ""
    raise click.UsageError(f"There is no file called {name}.{hint}")


def main() -> None:
    """Run the program and leave with its exit code, even if an engine is stuck in its library."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 gets question marks
    try:
        program(prog_name="llm-tui")
    except SystemExit as leaving:
        if any(thread.name.startswith("engine-") for thread in threading.enumerate()):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(leaving.code if isinstance(leaving.code, int) else 1)
        raise


if __name__ == "__main__":
    main()
