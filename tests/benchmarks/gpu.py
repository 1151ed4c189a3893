"""Random-weight models of real shapes on a GPU: our loops beside the libraries' own.

    python -m tests.benchmarks.gpu --write BENCHMARKS.md
    python -m tests.benchmarks.gpu -s 8B -e mlx --json
    python -m tests.benchmarks.gpu -s tiny                 without a GPU, to see that it runs

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
from engines.bench.speculative import measure_row_costs
from engines.bench.workbench import Workbench
from engines.hardware import read_machine
from engines.types import LoadRequest
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.random_folder import random_folder
from tests.benchmarks.sections import replace_section, write_table

COMMAND = "python -m tests.benchmarks.gpu"
TITLE = "On a GPU"
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
    if engine == "mlx":
        path = random_folder(size, folder)
    else:
        path = random_model_path(f"random:{size}:Q4_K_M", folder)
    report(f"{engine}, {size}: loading")
    with Workbench(LoadRequest(engine, str(path), context_window_tokens=4096)) as bench:
        decode = measure_decode(bench, tokens, repeat, bandwidth_bytes_per_s, report)
        report(f"{engine}, {size}: prefill")
        prefill = measure_prefill(bench, repeat=2, time_limit_s=20)
        report(f"{engine}, {size}: passes of several rows")
        row_costs = measure_row_costs(bench, ROW_COUNTS, ROW_CONTEXT_TOKENS)
        info = bench.info
    return GpuResult(
        engine, size, info.quantization, info.weights_bytes, decode, prefill, row_costs
    )


def report_section(results: Sequence[GpuResult], machine: str) -> str:
    figures = [result.to_json() for result in results]
    parts = [
        f"{machine}.",
        "Random weights in the shapes of Qwen3. Overhead: what a token costs in our loop beyond the"
        " library's own, both on the same loaded weights in alternating order, medians of pairs."
        " Share: of the bandwidth ceiling, memory bandwidth ÷ bytes read per token.",
        write_table(
            (
                "engine",
                "model",
                "weights",
                "GB",
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


@click.command(help=__doc__.split("\n", 1)[0] if __doc__ else None)
@click.option("-e", "--engine", "engines", multiple=True, type=click.Choice(ENGINES))
@click.option("-s", "--size", "sizes", multiple=True, type=click.Choice([*SHAPES]))
@click.option("-n", "--repeat", default=5, show_default=True, help="Runs of each loop.")
@click.option("--tokens", default=128, show_default=True, help="Tokens of a run.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="For weights.")
@click.option("--json", "as_json", is_flag=True, help="Print every result as a line of JSON.")
@click.option(
    "--write",
    "document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put the tables into this document's marked section.",
)
def main(
    engines: tuple[str, ...],
    sizes: tuple[str, ...],
    repeat: int,
    tokens: int,
    folder: Path | None,
    as_json: bool,
    document: Path | None,
) -> None:
    def report(line: str) -> None:
        click.echo(line, err=True)

    with tempfile.TemporaryDirectory(prefix="llm-tui-gpu-") as scratch:
        weights = folder or Path(scratch)
        bandwidth = read_machine(Path(scratch)).memory_bandwidth_bytes_per_s
        results = [
            measure(engine, size, weights, bandwidth, tokens, repeat, report)
            for size in sizes or SIZES
            for engine in engines or ENGINES
        ]
    section = report_section(results, describe_machine())
    click.echo("\n".join(json.dumps(r.to_json()) for r in results) if as_json else section)
    if document:
        replace_section(document, COMMAND, TITLE, section)


if __name__ == "__main__":
    main()
