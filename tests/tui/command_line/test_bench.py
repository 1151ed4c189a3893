from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.tui.command_line.test_doctor import MAC
from tui.command_line import bench_output
from tui.command_line.bench_charts import Bar, Chart, chart_lines, charts_of, charts_svg, draw_bar
from tui.command_line.bench_plan import BenchPlan
from tui.command_line.bench_runs import _paired
from tui.command_line.bench_tables import percent, tables_of, with_range

Run = Callable[..., Result]
SMALL = ("--model", "demo:draft", "--repeat", "1")

DECODE: dict[str, Any] = {
    "bench": "decode",
    "engine": "mlx",
    "model": "some|model",
    "quantization": "4-bit",
    "ours_tps": 98.0,
    "ours_range_tps": [97.0, 99.5],
    "library_tps": 100.0,
    "library_range_tps": [100.0, 100.0],
    "library": "mlx_lm generate_step",
    "ratio_to_library": 0.98,
    "ratio_of_best": 0.995,
    "effective_tps": 70.0,
    "bandwidth_ceiling_tps": 140.0,
    "share_of_ceiling": 0.7,
    "versions": {"mlx": "1.0"},
    "machine": replace(MAC).to_json(),
}


@pytest.mark.model
@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_decode_prints_one_json_object(run: Run, engine: str) -> None:
    done = run("bench", "decode", "--engine", engine, *SMALL, "--tokens", "8", "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["bench"], record["engine"], record["model"]) == ("decode", engine, "demo:draft")
    assert record["ratio_to_library"] > 0
    for key in ("ours_tps", "library_tps", "effective_tps", "bandwidth_ceiling_tps"):
        assert record[key] > 0
    assert record["machine"]["logical_cores"] and record["versions"]
    assert "loading" in done.stderr


@pytest.mark.model
def test_speculative_reports_every_class(run: Run) -> None:
    done = run(
        "bench", "speculative", "--engine", "llama.cpp", *SMALL, "--draft", "demo:draft",
        "--tokens", "8", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["draft_model"] == "demo:draft"
    keys = {"plain_tps", "ours_tps", "library_tps", "acceptance", "identical", "net_gain"}
    classes = {"everyday", "write-code", "copy-heavy", "explain", "free-prose"}
    assert set(record["prompt_classes"]) == set(record["long_turns"]["classes"]) == classes
    assert all(keys <= set(row) for row in record["prompt_classes"].values())


@pytest.mark.model
def test_tables_charts_and_files(run: Run, tmp_path: Path) -> None:
    for suffix in bench_output.SUFFIXES:
        path = tmp_path / f"report{suffix}"
        done = run(
            "bench", "decode", "--engine", "llama.cpp", *SMALL, "--tokens", "4", "--plot",
            "--output", path,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        assert path.stat().st_size > 100
    assert "Decode" in done.stdout and "█" in done.stdout and "llama.cpp" in done.stdout
    [record] = json.loads((tmp_path / "report.json").read_text())
    assert record["bench"] == "decode"
    assert (tmp_path / "report.svg").read_text().startswith("<svg")
    assert "| engine | model |" in (tmp_path / "report.md").read_text()


@pytest.mark.model
def test_compare_makes_the_three_tables(run: Run) -> None:
    done = run("bench", "--compare", "mlx", "llama.cpp", *SMALL, "--tokens", "8", "--seconds", "1")
    assert done.exit_code == 0, done.stderr
    for title in ("Generation speed", "Prefill", "Context length and KV cache types"):
        assert title in done.stdout
    assert re.search(r"mlx advantage", done.stdout)


def test_a_model_that_is_not_there_is_named_and_fails(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "missing.gguf"
    done = run("bench", "decode", "--engine", "llama.cpp", "--model", missing, "--json")
    assert done.exit_code == 1
    assert "missing.gguf" in json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--compare", "mlx", "mlx"), "two different engines"),
        (("--compare", "mlx", "llama.cpp", "decode"), "stands alone"),
        (("decode", "--output", "report.png"), "must end in"),
        (("decode", "--engine", "scripted"), "scripted"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_measured(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = run("bench", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_an_output_folder_that_is_missing_is_refused_at_once(run: Run, tmp_path: Path) -> None:
    done = run("bench", "decode", "--output", tmp_path / "no" / "report.md")
    assert done.exit_code == 1
    assert "no folder" in done.stderr and "loading" not in done.stderr


def test_bench_alone_says_what_there_is(run: Run) -> None:
    done = run("bench")
    assert done.exit_code == 0
    for name in ("decode", "prefill", "speculative", "kv", "context"):
        assert name in done.stdout


def test_a_table_as_markdown() -> None:
    [table] = tables_of([DECODE])
    text = table.to_markdown()
    assert "| mlx | some\\|model | 4-bit | 98.0 (97.0 to 99.5) | 100.0 | 0.980 |" in text
    assert "70 %" in text


def test_what_could_not_be_measured_is_in_the_tables() -> None:
    broken = {"bench": "kv", "engine": "mlx", "model": "m", "error": "It broke."}
    decode, failure = tables_of([DECODE, broken])
    assert decode.title == "Decode"
    assert failure.rows == (("It broke.",),)


def test_the_machine_stands_above_the_tables() -> None:
    assert bench_output.markdown([DECODE]).startswith(
        "Apple M4 Pro, 12 cores, 24 GiB, Darwin, 273.0 GB/s (vendor), mlx 1.0."
    )


def test_numbers_as_people_read_them() -> None:
    assert with_range(None, None) == "—"
    assert with_range(1234.5, [1000.0, 2000.0], 0) == "1,234 (1,000 to 2,000)"
    assert percent(0.87, sign=True) == "+87 %"
    assert percent(-0.5, sign=True) == "-50 %"


def test_bars_have_the_length_of_their_values() -> None:
    assert draw_bar(0.5, 10) == "█████"
    assert draw_bar(0.55, 10) == "█████▌"
    assert draw_bar(2.0, 3) == "███"
    [chart] = charts_of([DECODE])
    assert [bar.series for bar in chart.bars] == ["ours", "library", "effective"]
    lines = list(chart_lines(chart, 80))
    assert all(len(line) <= 80 for line in lines)
    assert lines[2].count("█") > lines[1].count("█") > lines[3].count("█")


def test_an_svg_shows_every_bar_and_escapes_names() -> None:
    chart = Chart("A & B", "tok/s", (Bar("<one>", "x", 1.0), Bar("two", "y", 2.0)))
    svg = charts_svg([chart])
    assert "A &amp; B" in svg and "&lt;one&gt;" in svg
    widths = [float(width) for width in re.findall(r'<rect x="\d+" y="\d+" width="([\d.]+)"', svg)]
    assert widths[1] == 2 * widths[0]


def test_a_folder_and_a_file_are_two_builds_of_one_model() -> None:
    both = ["/models/qwen-mlx", "/models/qwen.gguf"]
    assert list(_paired(both, ("mlx", "llama.cpp"))) == [("/models/qwen-mlx", "/models/qwen.gguf")]
    assert list(_paired(both, ("llama.cpp", "mlx"))) == [("/models/qwen.gguf", "/models/qwen-mlx")]
    files = ["a.gguf", "demo:target"]
    assert list(_paired(files, ("mlx", "llama.cpp"))) == [(file, file) for file in files]


def test_the_embedded_target_is_measured_with_its_draft() -> None:
    plan = BenchPlan(engines=("llama.cpp",), models=("demo:target", "other.gguf"))
    said: list[str] = []
    drafts = [request.draft_model for request in plan.requests(said.append, needs_draft=True)]
    assert drafts == ["demo:draft", None]
    off = replace(plan, draft="off")
    assert all(r.draft_model is None for r in off.requests(said.append, needs_draft=True))
    assert all(r.draft_model is None for r in plan.requests(said.append))
