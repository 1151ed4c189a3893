"""Where the benchmarks' records go: the screen, standard output as JSON, a file."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from tui.command_line.bench_charts import chart_lines, charts_of, charts_svg
from tui.command_line.bench_plan import Record
from tui.command_line.bench_tables import Table, tables_of
from tui.command_line.failure import Failure
from tui.sanitize import one_line

SUFFIXES = (".json", ".jsonl", ".md", ".svg", ".txt")
_PIPE_COLUMNS = 160


def print_json_line(record: Record) -> None:
    """One record a line, at once."""
    click.echo(json.dumps(record, default=str))


def print_tables(records: Sequence[Record]) -> None:
    console = _console()
    console.print(Text(_machine_line(records)))
    for table in tables_of(records):
        console.print(_rich_table(table))
        if table.note:
            console.print(Text(one_line(table.note), style="dim"))


def print_charts(records: Sequence[Record]) -> None:
    console = _console()
    for chart in charts_of(records):
        click.echo()
        for line in chart_lines(chart, min(console.width, 120)):
            click.echo(line)


def check_output(path: Path) -> None:
    """Refuse a kind of file that cannot be written, before anything is measured."""
    if path.suffix not in SUFFIXES:
        raise click.BadParameter(f"must end in one of {', '.join(SUFFIXES)}", param_hint="--output")
    if not path.absolute().parent.is_dir():
        raise Failure(f"There is no folder {path.parent}.", "Create it first.")


def write_output(path: Path, records: Sequence[Record]) -> None:
    """Write the records in the form that the file's ending asks for."""
    match path.suffix:
        case ".json":
            content = json.dumps(records, indent=2, default=str) + "\n"
        case ".jsonl":
            content = "".join(json.dumps(record, default=str) + "\n" for record in records)
        case ".svg":
            content = charts_svg(charts_of(records))
        case ".md":
            content = markdown(records)
        case _:
            lines = [line for chart in charts_of(records) for line in (*chart_lines(chart), "")]
            content = markdown(records) + "\n" + "\n".join(lines)
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror or error}.") from error


def markdown(records: Sequence[Record]) -> str:
    """All tables as Markdown, the machine first."""
    tables = [table.to_markdown() for table in tables_of(records)]
    return "\n\n".join([_machine_line(records), *tables]) + "\n"


def _machine_line(records: Sequence[Record]) -> str:
    if not records:
        return "Nothing was measured."
    machine = records[0]["machine"]
    bandwidth = machine["memory_bandwidth"]
    versions = dict[str, str]()
    for record in records:
        versions |= record.get("versions", {})
    parts = [
        machine["chip"],
        f"{machine['physical_cores'] or machine['logical_cores']} cores",
        f"{machine['memory_total_bytes'] / 2**30:.0f} GiB",
        machine["system"],
        f"{bandwidth['bytes_per_s'] / 1e9:.1f} GB/s ({bandwidth['source']})" if bandwidth else "",
        *(f"{name} {version}" for name, version in versions.items()),
    ]
    return ", ".join(part for part in parts if part) + "."


def _rich_table(table: Table) -> RichTable:
    drawn = RichTable(title=table.title, box=SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(table.columns):
        drawn.add_column(column, justify="left" if index < table.text_columns else "right")
    for row in table.rows:
        drawn.add_row(*(Text(one_line(cell)) for cell in row))
    return drawn


def _console() -> Console:
    if sys.stdout.isatty():
        return Console(width=shutil.get_terminal_size().columns)
    return Console(width=_PIPE_COLUMNS, no_color=True, highlight=False)
