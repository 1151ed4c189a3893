"""What the screen costs the engine: decode in the full app against the same decode without it.

    python -m tests.benchmarks.decode_under_tui                      both engines
    python -m tests.benchmarks.decode_under_tui -e llama.cpp -n 9
    python -m tests.benchmarks.decode_under_tui --write BENCHMARKS.md

The app runs in a 120x40 pseudo-terminal and streams Markdown as fast as the engine writes it. Both
sides load the model anew in a process of their own and take turns; the end of the answer is
banned, so that all are equally long.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from engines.bench.figures import Spread, median, paired_ratios
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.sections import replace_section, write_table
from tests.terminal.home import home_environment
from tests.terminal.program import TerminalProgram
from tests.terminal.watch import NotSeen

COMMAND = "python -m tests.benchmarks.decode_under_tui"
TITLE = "Decode under the app"
QUESTION = "Write a Python class for a stack and explain it in Markdown with a list."
TOKENS = {"llama.cpp": 800, "mlx": 300}
TURN_TIMEOUT_S = 120.0
PROFILE = """\
title = "Bench"
task = "quick"
engine = "{engine}"
model = "demo:target"
reasoning = false
max_tokens = {tokens}

[sampling]
temperature = 0.0

[sampling.logit_bias]
"<|im_end|>" = -100.0
"<|endoftext|>" = -100.0
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Decode tok/s of one engine, turn by turn, under the app and without it."""

    engine: str
    tokens: int
    app_tps: tuple[float, ...]
    headless_tps: tuple[float, ...]

    @property
    def ratio(self) -> float | None:
        """Median of the ratios of neighboring turns."""
        return median(paired_ratios(self.app_tps, self.headless_tps))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio}


def compare(engine: str, repeat: int, report: Callable[[str], None]) -> Comparison:
    """Raises NotSeen where the app does not come up or does not answer."""
    speeds: dict[str, list[float]] = {"app": [], "headless": []}
    sides = {"app": decode_in_app, "headless": decode_headless}
    tokens = TOKENS[engine]
    for number in range(repeat):
        for name in sides if number % 2 == 0 else reversed(sides):
            with tempfile.TemporaryDirectory(prefix="llm-tui-bench-") as folder:
                profile = _write_profile(Path(folder), engine, tokens)
                speeds[name].append(sides[name](Path(folder), profile))
            report(f"{engine}, {name}: {speeds[name][-1]:.1f} tok/s")
    return Comparison(engine, tokens, tuple(speeds["app"]), tuple(speeds["headless"]))


def decode_in_app(home: Path, profile: Path) -> float:
    """Decode tok/s of a first turn in the app, as the engine counts them."""
    command = [_program(), "--profile", profile.stem, "--draft", "off"]
    database = home / ".local" / "share" / "llm-tui" / "llm-tui.db"
    with TerminalProgram(command, home) as program:
        program.wait_for("Ask anything", 20)
        program.read_for(2.0)  # the model loads, and the figures on the screen come to rest
        program.type(QUESTION)
        program.read_for(0.3)
        program.press("enter")
        deadline_s = time.monotonic() + TURN_TIMEOUT_S
        while (stats := _finished_turn(database)) is None:
            program.read_for(0.1)
            if time.monotonic() > deadline_s or program.has_closed:
                program.show()
                raise NotSeen(f"The answer did not end:\n{program.screen.text}")
        program.press("ctrl+d")
        program.wait_exit(20)
    return float(stats["decode_tps"])


def decode_headless(home: Path, profile: Path) -> float:
    """The same turn on an engine thread without a screen."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.headless_decode", str(profile), QUESTION],
        capture_output=True,
        text=True,
        check=True,
        timeout=TURN_TIMEOUT_S,
        env=home_environment(home, "xterm-256color"),
    )
    return float(json.loads(done.stdout.splitlines()[-1])["decode_tps"])


def report_section(comparisons: list[Comparison], machine: str) -> str:
    rows = [
        (
            each.engine,
            f"{each.tokens:,}",
            _cell(each.app_tps),
            _cell(each.headless_tps),
            "—" if each.ratio is None else f"{each.ratio:.3f}",
        )
        for each in comparisons
    ]
    columns = ("engine", "tokens", "in the app, tok/s", "without a screen, tok/s", "ratio")
    explanation = (
        "The embedded target, greedy, without drafts, streamed as Markdown at the engine's own"
        " speed in a 120x40 terminal, beside the same turn on an engine thread alone. Medians, with"
        " the range in parentheses; ratio: median over neighboring turns."
    )
    return "\n\n".join([f"{machine}.", explanation, write_table(columns, rows)])


def _write_profile(home: Path, engine: str, tokens: int) -> Path:
    folder = home / ".config" / "llm-tui" / "profiles"
    folder.mkdir(parents=True)
    path = folder / "bench.toml"
    path.write_text(PROFILE.format(engine=engine, tokens=tokens))
    return path


def _finished_turn(database: Path) -> dict[str, Any] | None:
    """Statistics of the assistant's finished message, once it is saved."""
    if not database.exists():
        return None
    query = "SELECT stats FROM messages WHERE role = 'assistant' AND stats IS NOT NULL"
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(query).fetchone()
    except sqlite3.OperationalError:  # the tables are not made yet
        return None
    stats: dict[str, Any] | None = json.loads(row[0]) if row else None
    return stats if stats and stats.get("decode_tps") else None


def _program() -> str:
    return str(Path(sys.executable).with_name("llm-tui"))


def _cell(values: tuple[float, ...]) -> str:
    spread = Spread.over(values)
    return f"{spread.median:.1f} ({spread.low:.1f} to {spread.high:.1f})" if spread else "—"


@click.command(help=__doc__.split("\n", 1)[0] if __doc__ else None)
@click.option("-e", "--engine", "engines", multiple=True, type=click.Choice([*TOKENS]))
@click.option("-n", "--repeat", default=5, show_default=True, help="Turns of each side.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per engine.")
@click.option(
    "--write",
    "document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put the table into this document's marked section.",
)
def main(engines: tuple[str, ...], repeat: int, as_json: bool, document: Path | None) -> None:
    machine = describe_machine()
    comparisons = [
        compare(engine, repeat, lambda line: click.echo(line, err=True))
        for engine in engines or TOKENS
    ]
    section = report_section(comparisons, machine)
    click.echo("\n".join(json.dumps(c.to_json()) for c in comparisons) if as_json else section)
    if document:
        replace_section(document, COMMAND, TITLE, section)


if __name__ == "__main__":
    main()
