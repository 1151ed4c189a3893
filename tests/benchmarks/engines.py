"""Measures the engines beside their libraries' own loops, as `llm-tui bench` does, for a document.

python -m tests.benchmarks.engines --write BENCHMARKS.md      about 25 minutes on two cores
python -m tests.benchmarks.engines --only decode --quick
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from tests.benchmarks.machine import describe_machine
from tests.benchmarks.sections import replace_section
from tui.command_line.bench_output import markdown
from tui.command_line.bench_plan import BenchPlan, Record
from tui.command_line.bench_runs import run_bench, run_comparison

COMMAND = "python -m tests.benchmarks.engines"
COMPARE = "compare"
TITLES = {
    "decode": "Decode",
    "prefill": "Prefill",
    "speculative": "Speculation",
    "kv": "KV cache",
    "context": "Growing context",
    COMPARE: "Engines and models side by side",
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One benchmark on some models; large ones are given fewer tokens."""

    bench: str
    plan: BenchPlan


MEASUREMENTS = (
    Measurement("decode", BenchPlan(models=("demo:target",), tokens=128)),
    Measurement("decode", BenchPlan(models=("random:100M",), tokens=64)),
    Measurement("decode", BenchPlan(models=("random:1B",), tokens=16, repeat=3)),
    Measurement("prefill", BenchPlan(models=("demo:target",), repeat=3, time_limit_s=120)),
    Measurement("prefill", BenchPlan(models=("random:100M",), repeat=3, time_limit_s=120)),
    Measurement("speculative", BenchPlan(models=("demo:target",), tokens=320, repeat=2)),
    Measurement("kv", BenchPlan(models=("demo:target",), repeat=3, time_limit_s=120)),
    Measurement(
        "context", BenchPlan(models=("demo:target",), tokens=48, repeat=2, time_limit_s=120)
    ),
    Measurement(
        COMPARE,
        BenchPlan(models=("demo:target", "random:100M"), tokens=64, repeat=3, time_limit_s=60),
    ),
)


def measure(measurement: Measurement, quick: bool, tools: Path | None) -> Iterator[Record]:
    plan = replace(measurement.plan, tools=tools)
    if quick:
        plan = replace(plan, tokens=min(plan.tokens, 16), repeat=1, time_limit_s=5, cycles=3)
    if measurement.bench == COMPARE:
        yield from run_comparison(("mlx", "llama.cpp"), plan.models, plan, _report)
    else:
        yield from run_bench(measurement.bench, plan, _report)


@click.command(help=__doc__.split("\n", 1)[0] if __doc__ else None)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(TITLES)),
)
@click.option("--quick", is_flag=True, help="A minute or two, to see that everything runs.")
@click.option(
    "--tools",
    envvar="LLM_TUI_LLAMA_CPP_TOOLS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of llama.cpp's own programs, to compare with.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every result as a line of JSON.")
@click.option(
    "--write",
    "document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put the tables into this document's marked sections.",
)
def main(
    only: tuple[str, ...], quick: bool, tools: Path | None, as_json: bool, document: Path | None
) -> None:
    failed = False
    for bench in only or TITLES:
        machine = describe_machine()
        records = [
            record
            for measurement in MEASUREMENTS
            if measurement.bench == bench
            for record in measure(measurement, quick, tools)
        ]
        failed |= any("error" in record for record in records)
        section = f"{machine}.\n\n{markdown(records)}"
        lines = (json.dumps(record, default=str) for record in records)
        click.echo("\n".join(lines) if as_json else section)
        if document:
            replace_section(document, f"{COMMAND} --only {bench}", TITLES[bench], section)
    if failed:
        raise SystemExit(1)


def _report(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
