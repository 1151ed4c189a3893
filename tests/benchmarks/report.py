"""The tables of the terminal benchmark, and their place in a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.clients import CLIENTS
from tests.benchmarks.figures import Figures, Spread, percentile
from tests.benchmarks.measure import SCENARIOS

BEGIN = "<!-- begin: python -m tests.benchmarks.terminal -->"
END = "<!-- end -->"
MIB = 1024**2
STARTUP_COLUMNS = ("program", "runs", "first paint s", "ready s")
TURN_COLUMNS = (
    "program",
    "CPU s / 1,000 tokens",
    "bytes / token",
    "key echo ms, median / p95",
    "tail lag s",
    "peak RSS MiB",
)
EXPLANATION = """\
Medians, with the range in parentheses. First paint: from the start of the process to the first
visible character; ready: until a typed text shows in the prompt. CPU: user and system time of the
process tree from the first token until the end shows and the program is idle. Key echo: of keys
typed while the answer streams. Tail lag: from the last token to its showing."""


def write_report(runs: Sequence[Figures], machine: str) -> str:
    """Markdown tables of `runs`: the start over all of them, then a table a scenario."""
    clients = [client.name for client in CLIENTS if any(run.client == client.name for run in runs)]
    titles = {client.name: client.title for client in CLIENTS}
    parts = [f"{machine}.", EXPLANATION, "### Start"]
    parts.append(
        _table(STARTUP_COLUMNS, [_startup_row(titles[name], _of(runs, name)) for name in clients])
    )
    for scenario in SCENARIOS.values():
        found = [run for run in runs if run.scenario == scenario.name]
        rows = [_turn_row(titles[name], _of(found, name)) for name in clients if _of(found, name)]
        if rows:
            parts += [f"### {scenario.name}: {scenario.title}", _table(TURN_COLUMNS, rows)]
    return "\n\n".join(parts)


def replace_section(document: Path, section: str) -> None:
    """Put `section` between the marks in `document`, at its end where it has none."""
    text = document.read_text() if document.exists() else "# Benchmarks\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n## In a real terminal\n\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    document.write_text(f"{before}{BEGIN}\n{section}\n{END}{after}")


def _of(runs: Sequence[Figures], client: str) -> list[Figures]:
    return [run for run in runs if run.client == client]


def _startup_row(title: str, runs: Sequence[Figures]) -> tuple[str, ...]:
    return (
        title,
        str(len(runs)),
        _cell([run.first_paint_s for run in runs]),
        _cell([run.ready_s for run in runs]),
    )


def _turn_row(title: str, runs: Sequence[Figures]) -> tuple[str, ...]:
    return (
        title,
        _cell([run.cpu_per_1k_tokens_s for run in runs]),
        _cell([run.bytes_per_token for run in runs], digits=0),
        _key_cell(runs),
        _cell([run.tail_lag_s for run in runs]),
        _cell([run.peak_rss_bytes / MIB for run in runs], digits=0),
    )


def _cell(values: Sequence[float | None], digits: int = 2) -> str:
    spread = Spread.over(values)
    if spread is None:
        return "—"
    median, low, high = (f"{x:.{digits}f}" for x in (spread.median, spread.low, spread.high))
    return f"{median} ({low} to {high})" if len(values) > 1 else median


def _key_cell(runs: Sequence[Figures]) -> str:
    echoes = [echo_ms for run in runs for echo_ms in run.key_echo_ms]
    if not echoes:
        return "—"
    cell = f"{percentile(echoes, 50):.0f} / {percentile(echoes, 95):.0f}"
    unseen = sum(run.keys_typed for run in runs) - len(echoes)
    return f"{cell} ({unseen} unseen)" if unseen else cell


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
