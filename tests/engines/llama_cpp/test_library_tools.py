"""Comparing with llama.cpp's own programs; scripts stand in for them, with their real output."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from engines.bench.filler_text import OPENING
from engines.bench.library_loop import open_library_loop
from engines.bench.workbench import Workbench
from engines.errors import EngineUnavailable, GenerationError
from engines.llama_cpp.library_tools import (
    BENCH,
    SPECULATIVE,
    LlamaCppTools,
    read_bench,
    read_speculation,
)
from engines.llama_cpp.threads import ThreadCounts
from engines.types import LoadRequest

SPECULATION = """
def add(a, b):

0.00.307.165 I encoded   19 tokens in    0.016 seconds, speed: 1194.443 t/s
0.00.307.195 I decoded   64 tokens in    0.190 seconds, speed:  337.506 t/s
0.00.307.222 I
0.00.307.247 I n_draft   = 3
0.00.307.273 I n_predict = 64
0.00.307.298 I n_drafted = 56
0.00.307.324 I n_accept  = 45
0.00.307.350 I accept    = 80.357%
"""
BENCH_JSON = '[{"n_threads": 1, "n_gen": 128, "avg_ts": 433.612625, "samples_ts": [433.613]}]'


def write_program(folder: Path, name: str, output: str, code: int = 0) -> Path:
    """A program that keeps its arguments and prints `output`."""
    path = folder / name
    path.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {folder}/{name}.args\n"
        f"cat <<'END'\n{output}\nEND\nexit {code}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def write_programs(folder: Path) -> Path:
    write_program(folder, BENCH, BENCH_JSON)
    write_program(folder, SPECULATIVE, SPECULATION)
    return folder


def tools_in(folder: Path) -> LlamaCppTools:
    return LlamaCppTools(folder, Path("target.gguf"), Path("draft.gguf"), ThreadCounts(3, 5), "f16")


def test_what_the_speculative_program_says_is_read() -> None:
    times = read_speculation(SPECULATION)
    assert (times.generated_tokens, times.token_ids) == (64, ())
    assert (times.drafted_tokens, times.accepted_tokens) == (56, 45)
    decode_s = times.last_token_s - times.first_token_s
    assert (times.generated_tokens - 1) / decode_s == pytest.approx(64 / 0.190)


def test_what_llama_bench_says_is_read() -> None:
    assert read_bench(BENCH_JSON) == 433.612625


@pytest.mark.parametrize("output", ["", "{}", "[]", '[{"avg": 1}]', "no JSON", "[1, 2]"])
def test_other_output_is_an_error_that_says_what_to_do(output: str) -> None:
    for read in (read_bench, read_speculation):
        with pytest.raises(GenerationError) as failure:
            read(output)
        assert "make bench-tools" in failure.value.hint


def test_programs_get_the_same_files_threads_and_cache_types(tmp_path: Path) -> None:
    tools = tools_in(write_programs(tmp_path))
    assert tools.decode_tps(128) == 433.612625
    prompt = "a \\n stays two characters"
    assert tools.speculate(prompt, 64).generated_tokens == 64
    said = (tmp_path / f"{SPECULATIVE}.args").read_text().splitlines()
    assert said[said.index("-m") + 1] == "target.gguf"
    assert said[said.index("--model-draft") + 1] == "draft.gguf"
    assert said[said.index("--threads") + 1] == "3"
    assert said[said.index("--threads-batch") + 1] == "5"
    assert said[said.index("--prompt") + 1] == prompt and "--no-escape" in said
    assert said[said.index("--n-predict") + 1] == "64"


def test_a_folder_without_the_programs_is_refused(tmp_path: Path) -> None:
    write_program(tmp_path, BENCH, BENCH_JSON)
    with pytest.raises(EngineUnavailable, match=SPECULATIVE):
        tools_in(tmp_path)


def test_a_program_that_fails_is_an_error(tmp_path: Path) -> None:
    tools = tools_in(write_programs(tmp_path))
    write_program(tmp_path, BENCH, "", code=1)
    with pytest.raises(GenerationError, match=BENCH):
        tools.decode_tps(8)


@pytest.mark.model
def test_a_workbench_runs_them_on_the_text_of_its_prompt(tmp_path: Path) -> None:
    write_programs(tmp_path)
    request = LoadRequest("llama.cpp", "demo:draft", "demo:draft", context_window_tokens=512)
    with Workbench(
        request, open_loop=lambda load, engine: open_library_loop(load, engine, tmp_path)
    ) as bench:
        assert bench.loop.tool_name == BENCH
        assert bench.loop.tool_decode_tps(8) == 433.612625
        run = bench.run_library(bench.encode(OPENING), 64, use_draft=True)
    assert run.generated_tokens == 64 and run.drafted_tokens == 56
    assert run.decode_tps == pytest.approx(64 / 0.190)
    assert OPENING in (tmp_path / f"{SPECULATIVE}.args").read_text()
