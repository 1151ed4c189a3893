"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.command_line.failure import DEBUG

if TYPE_CHECKING:
    from tui.options import AppOptions

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_MODEL_OPTIONS = (
    click.option("--profile", metavar="NAME", help="Profile to use (llm-tui profiles list)."),
    click.option(
        "--model", metavar="PATH", help="GGUF file or MLX model folder, instead of the profile's."
    ),
    click.option(
        "--engine",
        type=click.Choice(["mlx", "llama.cpp", "auto", "scripted"]),
        metavar="[mlx|llama.cpp|auto]",
        help="Engine, instead of the profile's; auto takes the one that will be done first.",
    ),
    click.option(
        "--draft",
        metavar="auto|off|PATH",
        help="Draft model for speculative decoding; auto takes the one that goes with the model.",
    ),
    click.option("--adapter", metavar="PATH|none", help="LoRA adapter for the model."),
    click.option("--continue", "continue_last", is_flag=True, help="Go on with the last session."),
    click.option("--session", "session_id", metavar="ID", help="Go on with this session."),
    click.option("--script", type=click.Path(path_type=Path), hidden=True),
    click.option("--rate", "rate_tps", type=click.FloatRange(min=0), hidden=True),
)


def model_options(command: Decorated) -> Decorated:
    """Which model answers, and in which session."""
    for option in reversed(_MODEL_OPTIONS):
        command = option(command)
    return command


def debug_option(command: Decorated) -> Decorated:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[DEBUG] = True

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Show tracebacks and log everything.",
    )(command)


def json_option(command: Decorated) -> Decorated:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def options_from(
    ctx: click.Context, values: Mapping[str, Any], files: tuple[Path, ...] = ()
) -> AppOptions:
    """The `model_options` that were given.

    Raises:
        click.UsageError: two of them exclude each other.
    """
    from tui.options import AppOptions

    if values["continue_last"] and values["session_id"]:
        raise click.UsageError("Give --continue or --session, not both.")
    if (values["script"] or values["rate_tps"]) and values["engine"] != "scripted":
        raise click.UsageError("--script and --rate belong to --engine scripted.")
    return AppOptions(**values, files=files, debug=bool(ctx.meta.get(DEBUG)))
