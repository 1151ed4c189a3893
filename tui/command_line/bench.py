"""`llm-tui bench`: how fast this machine runs models, beside the libraries' own tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.command_line.options import debug_option

if TYPE_CHECKING:
    from tui.command_line.bench_plan import BenchPlan, Record, Report

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
ENGINE_NAMES = ("mlx", "llama.cpp")

_OPTIONS = (
    click.option(
        "--engine",
        "engines",
        multiple=True,
        type=click.Choice(ENGINE_NAMES),
        help="Engine to measure; again for another one. Default: all that are installed.",
    ),
    click.option(
        "--model",
        "models",
        multiple=True,
        metavar="PATH",
        help="GGUF file, MLX folder, demo:target, or random:100M, random:1B (random weights,"
        " written once); again for another one. Default: demo:target.",
    ),
    click.option("--tokens", type=click.IntRange(2), help="Tokens to generate in a run."),
    click.option("--repeat", type=click.IntRange(1), help="Runs of each; medians are shown."),
    click.option(
        "--seconds",
        "time_limit_s",
        type=click.FloatRange(min=1),
        default=120.0,
        show_default=True,
        help="Longer prompts and contexts are left out beyond this, per model.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object per result."),
    click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Also write a file: .json, .jsonl, .md, .txt or .svg (the chart).",
    ),
    click.option("--plot", is_flag=True, help="Show a chart as well."),
)


_tools_option = click.option(
    "--tools",
    envvar="LLM_TUI_LLAMA_CPP_TOOLS",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="llama.cpp's own programs (make bench-tools), to compare with.  [env:"
    " LLM_TUI_LLAMA_CPP_TOOLS]",
)


def bench_options(command: Decorated) -> Decorated:
    """Options of every benchmark."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return debug_option(command)


@click.group(invoke_without_command=True)
@click.option(
    "--compare",
    nargs=2,
    type=click.Choice(ENGINE_NAMES),
    metavar="ENGINE ENGINE",
    help="Compare two engines: generation, prefill, context lengths and KV cache types.",
)
@bench_options
@click.pass_context
def bench(ctx: click.Context, /, compare: tuple[str, str] | None, **values: Any) -> None:
    """Measure models on this machine, beside the libraries' own loops.

    Options come after the benchmark's name; --compare stands alone.
    """
    if ctx.invoked_subcommand is not None:
        if compare:
            raise click.UsageError("--compare stands alone, without a benchmark's name.")
        return
    if compare is None:
        click.echo(ctx.get_help())
        ctx.exit(0)
    if compare[0] == compare[1]:
        raise click.UsageError("--compare takes two different engines.")
    from tui.command_line.bench_runs import run_comparison

    _measure(
        ctx,
        values,
        {"tokens": 128},
        lambda plan, report: run_comparison(compare, plan.models, plan, report),
    )


@bench.command()
@_tools_option
@bench_options
@click.pass_context
def decode(ctx: click.Context, /, **values: Any) -> None:
    """Decode speed: ratio to the library's bare loop, and share of the bandwidth ceiling."""
    _measure_one(ctx, "decode", values, {"tokens": 128})


@bench.command()
@bench_options
@click.pass_context
def prefill(ctx: click.Context, /, **values: Any) -> None:
    """Prefill speed for prompts of 0.5k to 8k tokens, beside the library's."""
    _measure_one(ctx, "prefill", values, {"tokens": 1})


@bench.command()
@click.option(
    "--draft",
    default="auto",
    show_default=True,
    metavar="auto|off|PATH",
    help="Draft model; auto takes the embedded one for the embedded target.",
)
@_tools_option
@bench_options
@click.pass_context
def speculative(ctx: click.Context, /, **values: Any) -> None:
    """Speculation on five kinds of prompts: speed with drafts and without, whether the text stays
    the same, and whether any turn of 200 tokens is ever slower than without drafts."""
    _measure_one(ctx, "speculative", values, {"tokens": 320})


@bench.command()
@click.option(
    "--cycles",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Loads and unloads that show whether memory comes back.",
)
@bench_options
@click.pass_context
def kv(ctx: click.Context, /, **values: Any) -> None:
    """The KV cache across turns, branches, profile switches and restarts."""
    _measure_one(ctx, "kv", values, {"tokens": 16})


@bench.command()
@bench_options
@click.pass_context
def context(ctx: click.Context, /, **values: Any) -> None:
    """Decode and prefill speed at growing context lengths, by KV cache type."""
    _measure_one(ctx, "context", values, {"tokens": 64})


def _measure_one(
    ctx: click.Context, name: str, values: dict[str, Any], defaults: dict[str, int]
) -> None:
    from tui.command_line.bench_runs import run_bench

    _measure(ctx, values, defaults, lambda plan, report: run_bench(name, plan, report))


def _measure(
    ctx: click.Context,
    values: dict[str, Any],
    defaults: dict[str, int],
    run: Callable[[BenchPlan, Report], Iterator[Record]],
) -> None:
    """Run a benchmark with the options given, and put out what it finds; 1 if nothing ran."""
    from tui.command_line import bench_output
    from tui.command_line.bench_plan import BenchPlan

    as_json, output, plot = (values.pop(name) for name in ("as_json", "output", "plot"))
    if output is not None:
        bench_output.check_output(output)
    settings = {name: value for name, value in values.items() if value is not None}
    records = list[Any]()
    for record in run(BenchPlan(**(defaults | settings)), _report):
        records.append(record)
        if as_json:
            bench_output.print_json_line(record)
    if not as_json:
        bench_output.print_tables(records)
    if plot and not as_json:
        bench_output.print_charts(records)
    if output is not None:
        bench_output.write_output(output, records)
    ctx.exit(0 if any("error" not in record for record in records) else 1)


def _report(line: str) -> None:
    click.echo(line, err=True)
