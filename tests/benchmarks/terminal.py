"""Measures the app in a real pseudo-terminal, next to bare Textual apps on the same text.

    python -m tests.benchmarks.terminal                      every scenario and program, 3 times
    python -m tests.benchmarks.terminal -s b -c llm-tui -n 1
    python -m tests.benchmarks.terminal --write BENCHMARKS.md

The programs take turns within a repetition, and start in another order in the next, so that a
change in the machine's load meets them all.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from tests.benchmarks.clients import CLIENTS, Client
from tests.benchmarks.figures import Figures
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.measure import SCENARIOS, Scenario, measure
from tests.benchmarks.report import replace_section, write_report
from tests.terminal.watch import NotSeen


@click.command(help=__doc__.split("\n", 1)[0] if __doc__ else None)
@click.option("-s", "--scenario", "scenarios", multiple=True, type=click.Choice([*SCENARIOS]))
@click.option(
    "-c", "--client", "names", multiple=True, type=click.Choice([c.name for c in CLIENTS])
)
@click.option("-n", "--repeat", default=3, show_default=True, help="Runs of each.")
@click.option("--json", "as_json", is_flag=True, help="Print every run as a line of JSON.")
@click.option(
    "--write",
    "document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put the tables into this document's marked section.",
)
def main(
    scenarios: tuple[str, ...],
    names: tuple[str, ...],
    repeat: int,
    as_json: bool,
    document: Path | None,
) -> None:
    machine = describe_machine()
    runs: list[Figures] = []
    chosen = [client for client in CLIENTS if not names or client.name in names]
    for repetition in range(repeat):
        turn = repetition % len(chosen)
        for name in scenarios or SCENARIOS:
            for client in chosen[turn:] + chosen[:turn]:
                if figures := _measure(client, SCENARIOS[name], f"{repetition + 1}/{repeat}"):
                    runs.append(figures)
    report = write_report(runs, machine)
    click.echo("\n".join(json.dumps(run.to_json()) for run in runs) if as_json else report)
    if document:
        replace_section(document, report)
    if len(runs) < repeat * len(chosen) * len(scenarios or SCENARIOS):
        raise SystemExit(1)


def _measure(client: Client, scenario: Scenario, label: str) -> Figures | None:
    try:
        figures = measure(client, scenario)
    except NotSeen as error:
        click.echo(f"{label} {scenario.name} {client.name} failed: {error}", err=True)
        return None
    click.echo(
        f"{label} {scenario.name} {client.name}: "
        f"ready {figures.ready_s:.2f} s, CPU {figures.cpu_per_1k_tokens_s:.2f} s/1k, "
        f"{figures.bytes_per_token:.0f} bytes/token, {figures.paints_per_s:.0f} paints/s",
        err=True,
    )
    return figures


if __name__ == "__main__":
    main()
