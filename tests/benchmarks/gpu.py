"""Random-weight models of real shapes on a GPU: our loops beside the libraries' own.

    python -m tests.benchmarks.gpu --write BENCHMARKS.md
    python -m tests.benchmarks.gpu -p loops -s 8B -e mlx --json
    python -m tests.benchmarks.gpu -p loops -s tiny       without a GPU, to see that it runs

Three parts: the loops on random weights, speculation on the embedded pair, the KV cache on random
weights and 8,192 tokens.

Needs MLX built for the GPU (`make cuda` on Linux) and llama-cpp-python compiled with
`CMAKE_ARGS="-DGGML_CUDA=ON"`. Weights are 4-bit: groups of 64 on MLX, Q4_K_M on llama.cpp.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from engines.bench.decode import DecodeResult, measure_decode
from engines.bench.figures import median
from engines.bench.prefill import PrefillResult, measure_prefill
from engines.bench.random_model import SHAPES, random_model_path
from engines.bench.row_costs import measure_row_costs
from engines.bench.workbench import Workbench
from engines.hardware import read_machine
from engines.types import LoadRequest
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.random_folder import random_folder
from tests.benchmarks.sections import replace_section, write_table
from tui.command_line.bench_output import markdown
from tui.command_line.bench_plan import BenchPlan, Record
from tui.command_line.bench_runs import run_bench

COMMAND = "python -m tests.benchmarks.gpu"
TITLES = {
    "loops": "On a GPU",
    "speculative": "Speculation on a GPU",
    "kv": "KV cache on a GPU",
}
KV_SIZE = "0.6B"
ENGINES = ("mlx", "llama.cpp")
SIZES = ("0.6B", "8B", "30B-A3B")
ROW_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
ROW_CONTEXT_TOKENS = 512
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class GpuResult:
    """One model on one engine."""

    engine: str
    size: str
    quantization: str
    weights_bytes: int
    decode: DecodeResult
    prefill: PrefillResult
    row_costs: dict[int, float]

    @property
    def overhead_us(self) -> float | None:
        """What our loop adds to a token beyond the library's own, in µs; can be below 0."""
        pairs = zip(self.decode.ours, self.decode.library, strict=True)
        return median(
            1e6 * (1 / ours.decode_tps - 1 / library.decode_tps)
            for ours, library in pairs
            if ours.decode_tps and library.decode_tps
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "engine": self.engine,
            "size": self.size,
            "quantization": self.quantization,
            "weights_bytes": self.weights_bytes,
            "overhead_us": self.overhead_us,
            **self.decode.to_json(),
            "prefill": self.prefill.to_json()["prefill"],
            "row_costs": {str(rows): cost for rows, cost in self.row_costs.items()},
        }


def measure(
    engine: str,
    size: str,
    folder: Path,
    bandwidth_bytes_per_s: float | None,
    tokens: int,
    repeat: int,
    report: Report,
) -> GpuResult:
    """Write the model where it is missing, and run both loops on it."""
    report(f"{engine}, {size}: writing weights")
    path = _weights(engine, size, folder)
    report(f"{engine}, {size}: loading")
    with Workbench(LoadRequest(engine, str(path), context_window_tokens=4096)) as bench:
        decode = measure_decode(bench, tokens, repeat, bandwidth_bytes_per_s, report)
        report(f"{engine}, {size}: prefill")
        prefill = measure_prefill(bench, repeat, time_limit_s=90)
        report(f"{engine}, {size}: passes of several rows")
        row_costs = measure_row_costs(bench, ROW_COUNTS, ROW_CONTEXT_TOKENS).by_rows
        info = bench.info
    return GpuResult(
        engine, size, info.quantization, info.weights_bytes, decode, prefill, row_costs
    )


def _weights(engine: str, size: str, folder: Path) -> Path:
    if engine == "mlx":
        return random_folder(size, folder)
    return random_model_path(f"random:{size}:Q4_K_M", folder)


def report_loops(figures: Sequence[Record]) -> str:
    parts = [
        "Random weights in the shapes of Qwen3. Overhead: what a token costs in our loop beyond the"
        " library's own, both on the same loaded weights in alternating order, medians of pairs."
        " Share: of the bandwidth ceiling, memory bandwidth ÷ bytes read per token.",
        write_table(
            (
                "engine",
                "model",
                "weights",
                "GB a token",
                "ours tok/s",
                "library tok/s",
                "ratio",
                "overhead µs/token",
                "share",
            ),
            [_decode_row(each) for each in figures],
        ),
        "Prefill, prompt tokens per second until the first token:",
        write_table(
            ("engine", "model", "prompt tokens", "ours", "library", "ratio"),
            [row for each in figures for row in _prefill_rows(each)],
        ),
        "Time of a pass over several rows, relative to one row: what verifying a draft costs.",
        write_table(
            ("engine", "model", *(str(rows) for rows in ROW_COUNTS)),
            [
                (each["engine"], each["size"], *(_cell(c, 2) for c in each["row_costs"].values()))
                for each in figures
            ],
        ),
    ]
    return "\n\n".join(parts)


def _decode_row(figures: dict[str, Any]) -> tuple[str, ...]:
    return (
        figures["engine"],
        figures["size"],
        figures["quantization"],
        _cell(figures["weights_bytes"] / 1e9, 2),
        _cell(figures["ours_tps"]),
        _cell(figures["library_tps"]),
        _cell(figures["ratio_to_library"], 3),
        _cell(figures["overhead_us"], 0),
        _cell(figures["share_of_ceiling"], 2),
    )


def _prefill_rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for row in figures["prefill"]:
        yield (
            figures["engine"],
            figures["size"],
            f"{row['prompt_tokens']:,}",
            _cell(row["ours_tps"], 0),
            _cell(row["library_tps"], 0),
            _cell(row["ratio_to_library"], 3),
        )


def _cell(value: float | None, digits: int = 1) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"


def measure_speculation(engine: str, tools: Path | None, report: Report) -> Iterator[Record]:
    """As `llm-tui bench speculative`, on the embedded pair."""
    plan = BenchPlan((engine,), ("demo:target",), tokens=320, repeat=3, tools=tools)
    yield from run_bench("speculative", plan, report)


def measure_kv_cache(engine: str, folder: Path, report: Report) -> Iterator[Record]:
    """As `llm-tui bench kv`, on random weights of a real shape."""
    plan = BenchPlan((engine,), (str(_weights(engine, KV_SIZE, folder)),), cycles=5)
    yield from run_bench("kv", plan, report)


@click.command(help=__doc__.split("\n", 1)[0] if __doc__ else None)
@click.option("-p", "--part", "parts", multiple=True, type=click.Choice([*TITLES]))
@click.option("-e", "--engine", "engines", multiple=True, type=click.Choice(ENGINES))
@click.option("-s", "--size", "sizes", multiple=True, type=click.Choice([*SHAPES]))
@click.option("-n", "--repeat", default=5, show_default=True, help="Runs of each loop.")
@click.option("--tokens", default=128, show_default=True, help="Tokens of a run.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="For weights.")
@click.option(
    "--tools",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="llama.cpp's own programs, built for the GPU, to compare with.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every result as a line of JSON.")
@click.option(
    "--write",
    "document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put the tables into this document's marked sections.",
)
def main(
    parts: tuple[str, ...],
    engines: tuple[str, ...],
    sizes: tuple[str, ...],
    repeat: int,
    tokens: int,
    folder: Path | None,
    tools: Path | None,
    as_json: bool,
    document: Path | None,
) -> None:
    def report(line: str) -> None:
        click.echo(line, err=True)

    with tempfile.TemporaryDirectory(prefix="llm-tui-gpu-") as scratch:
        weights, machine = folder or Path(scratch), read_machine(Path(scratch))
        for part in parts or TITLES:
            machine_line = f"{machine.gpu_name or 'No GPU'}, {describe_machine()}"
            records: list[Record] = []
            for engine in engines or ENGINES:
                match part:
                    case "speculative":
                        records += measure_speculation(engine, tools, report)
                    case "kv":
                        records += measure_kv_cache(engine, weights, report)
                    case _:
                        bandwidth = machine.memory_bandwidth_bytes_per_s
                        records += [
                            measure(
                                engine, size, weights, bandwidth, tokens, repeat, report
                            ).to_json()
                            for size in sizes or SIZES
                        ]
            section = f"{machine_line}.\n\n" + (
                report_loops(records) if part == "loops" else markdown(records)
            )
            lines = (json.dumps(record, default=str) for record in records)
            click.echo("\n".join(lines) if as_json else section)
            if document:
                replace_section(document, f"{COMMAND} --part {part}", TITLES[part], section)


if __name__ == "__main__":
    main()
