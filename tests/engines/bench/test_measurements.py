"""The benchmarks on real engines and small models: what they report, never how fast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.bench.comparison import compare_model
from engines.bench.context import measure_context
from engines.bench.conversation_run import ConversationRun, prefilled_again
from engines.bench.decode import measure_decode
from engines.bench.figures import Run, median, paired_ratios
from engines.bench.filler_text import OPENING, filler_ids
from engines.bench.kv import measure_kv
from engines.bench.long_turns import LongTurn, LongTurns, measure_long_turns
from engines.bench.prefill import PROMPT_TOKENS, measure_prefill
from engines.bench.prompts import COPY_HEAVY, chat_prompt, prompt_classes
from engines.bench.random_model import random_model_path
from engines.bench.row_costs import RowCosts
from engines.bench.speculative import _first_difference, measure_speculative
from engines.bench.workbench import Workbench
from engines.errors import EngineError
from engines.types import LoadRequest

pytestmark = pytest.mark.model

ENGINES = ("mlx", "llama.cpp")


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    load = LoadRequest(request.param, "demo:draft", context_window_tokens=768)
    with Workbench(load) as bench:
        yield bench


def test_the_librarys_loop_writes_what_our_engine_writes(bench: Workbench) -> None:
    prompt_ids = bench.encode(OPENING)
    ours, library = bench.run_ours(prompt_ids, 24), bench.run_library(prompt_ids, 24)
    assert ours.token_ids == library.token_ids
    assert len(ours.token_ids) == 24
    for run in (ours, library):
        assert run.prompt_tokens == len(prompt_ids) and run.cached_tokens == 0
        assert run.ttft_s > 0 and run.decode_s > 0 and run.cpu_s > 0


def test_decode_reports_the_ratio_of_its_own_runs(bench: Workbench) -> None:
    result = measure_decode(bench, 16, 3, memory_bandwidth_bytes_per_s=20e9)
    figures = result.to_json()
    speeds = [[run.decode_tps for run in runs] for runs in (result.ours, result.library)]
    assert figures["ratio_to_library"] == median(paired_ratios(*speeds))
    assert figures["ours_tps"] == figures["decode_tps"] == median(speeds[0])
    assert figures["library_tps"] == median(speeds[1])
    assert figures["share_of_ceiling"] == figures["ours_tps"] / figures["bandwidth_ceiling_tps"]
    assert figures["effective_tps"] < figures["decode_tps"]
    assert figures["same_text"] and figures["repeat"] == 3


def test_prefill_leaves_out_what_the_window_does_not_hold(bench: Workbench) -> None:
    figures = measure_prefill(bench, 1, 60.0).to_json()
    assert [row["prompt_tokens"] for row in figures["prefill"]] == [512]
    assert figures["skipped_prompt_tokens"] == list(PROMPT_TOKENS[1:])
    [row] = figures["prefill"]
    assert row["ratio_to_library"] == row["ours_tps"] / row["library_tps"]


def test_filler_has_the_length_asked_for_and_differs_by_seed(bench: Workbench) -> None:
    one, other = (filler_ids(bench.encode, 300, seed) for seed in (1, 2))
    assert len(one) == len(other) == 300
    assert one[:8] != other[:8]
    assert one == filler_ids(bench.encode, 300, 1)


def test_a_conversation_prefills_only_what_is_new(bench: Workbench) -> None:
    chat = ConversationRun(bench, "chat")
    chat.take_turn(40, 8)
    length = len(chat.sequence)
    run = chat.take_turn(40, 8)
    assert prefilled_again(run, length) == 0
    fresh = ConversationRun(bench, "other", tuple(filler_ids(bench.encode, length, seed=9)))
    assert prefilled_again(fresh.take_turn(8, 2), length) == length - 1


@pytest.mark.parametrize("engine", ENGINES)
def test_speculation_is_compared_on_every_class_of_prompts(engine: str) -> None:
    load = LoadRequest(engine, "demo:draft", "demo:draft", context_window_tokens=768)
    with Workbench(load) as bench:
        figures = measure_speculative(bench, tokens=12, repeat=1).to_json()
    assert list(figures["prompt_classes"]) == list(prompt_classes())
    for row in figures["prompt_classes"].values():
        assert row["identical"] and row["first_difference"] is None
        assert row["plain_tps"] > 0 and row["ours_tps"] > 0 and row["net_gain"] > 0
        assert (row["library_tps"] is None) == (engine == "llama.cpp")
    assert figures["row_costs"]["1"] == 1.0
    assert all(cost > 0 for cost in figures["row_costs"].values())
    assert ("was not built" in figures["note"]) == (engine == "llama.cpp")
    assert figures["long_turns"]["worst_net_gain"] > 0


def test_the_curve_of_row_costs_limits_what_drafts_can_gain() -> None:
    assert RowCosts({1: 1.0, 4: 3.2, 16: 8.0, 32: 20.0}).best_possible_gain == 2.0
    assert RowCosts({1: 1.0, 2: 2.5, 4: 6.0}).best_possible_gain == 1.0


def test_a_long_turn_does_not_end_early_and_is_the_same_text_with_drafts(bench: Workbench) -> None:
    [_, short] = prompt_classes()["everyday"]
    prompt = chat_prompt(bench.encode, bench.info, short)
    natural = bench.run_ours(prompt.token_ids, 300)
    tokens = len(natural.token_ids) + 20
    assert tokens < 300
    figures = measure_long_turns(bench, {"everyday": [prompt]}, 1, tokens=tokens).to_json()
    [row] = figures["classes"].values()
    assert row["tokens"] == [tokens] and row["identical"]
    assert figures["worst_net_gain"] == min(row["fresh_net_gain"], row["warmed_net_gain"])


def test_the_worst_long_turn_decides() -> None:
    def runs(*speeds: float) -> tuple[Run, ...]:
        return tuple(Run(10, 0, tuple(range(201)), 0.1, 200 / speed, 1.0) for speed in speeds)

    good = LongTurn(runs(100, 98), runs(150, 120), runs(200, 90))
    bad = LongTurn(runs(100, 100), runs(96, 94), runs(99, 97))
    figures = LongTurns({"a": (good,), "b": (good, bad)}).to_json()
    assert figures["worst_net_gain"] == pytest.approx(0.96) and not figures["holds"]
    assert figures["classes"]["a"]["worst_net_gain"] == pytest.approx(1.5)
    assert good.noise == pytest.approx(100 / 98 - 1)


def test_a_fresh_engine_has_forgotten_what_drafts_cost(bench: Workbench) -> None:
    prompt = chat_prompt(bench.encode, bench.info, prompt_classes()[COPY_HEAVY][0])
    bench.run_ours(prompt.token_ids, 24, use_draft=True)
    engine: Any = bench._engine._engine if bench._engine else None
    learned = engine.speculation if bench.info.engine == "mlx" else engine.loaded.speculation
    assert learned.costs.plain_is_known
    bench.loop.unlearn()
    assert not learned.costs.plain_is_known


def test_answers_that_repeat_a_file_are_long_and_have_it_at_hand(bench: Workbench) -> None:
    for question in prompt_classes()[COPY_HEAVY]:
        prompt = chat_prompt(bench.encode, bench.info, question)
        assert prompt.references == (question.file,)
        assert 200 <= len(bench.encode(question.file)) <= 300


def test_where_two_answers_part() -> None:
    assert _first_difference((1, 2, 3), (1, 2, 3)) is None
    assert _first_difference((1, 2, 3), (1, 9, 3)) == 1
    assert _first_difference((1, 2), (1, 2, 3)) == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_the_kv_benchmark_knows_every_figure(engine: str) -> None:
    load = LoadRequest(engine, "demo:draft", context_window_tokens=1024)
    figures = measure_kv(load, repeat=1, cycles=3, time_limit_s=5).to_json()
    assert figures["switch_back_prefilled_tokens"] == 0
    assert figures["branch_prefilled_tokens"] == 0
    assert figures["restart_prefilled_tokens"] == 0
    assert figures["restart_speedup"] == figures["cold_ttft_s"] / figures["restart_ttft_s"]
    times_s = figures["turn_ttft_s"]
    assert figures["turn10_over_turn1"] == times_s[9] / times_s[0]
    assert len(set(figures["turn_prefilled_tokens"][1:])) == 1
    assert figures["kv_bytes_per_token"]["q8_0"] < figures["kv_bytes_per_token"]["f16"]
    assert figures["rss_growth"]["cycles"] == 3


@pytest.mark.parametrize("engine", ENGINES)
def test_the_context_sweep_covers_every_kv_type(engine: str) -> None:
    load = LoadRequest(engine, "demo:draft", context_window_tokens=600)
    figures = measure_context(load, 8, 1, 60.0).to_json()
    assert [row["kv_type"] for row in figures["context"]] == ["f16", "q8_0", "q4_0"]
    assert {row["context_tokens"] for row in figures["context"]} == {512}
    assert all(row["decode_tps"] > 0 and row["prefill_tps"] > 0 for row in figures["context"])
    assert not figures["refused_kv_types"]


def test_two_engines_are_compared_on_one_model() -> None:
    requests = tuple(LoadRequest(e, "demo:draft", context_window_tokens=600) for e in ENGINES)
    first, second = requests
    figures = compare_model("draft", (first, second), 12, 1, 30.0).to_json()
    speeds = figures["decode_tps"]
    assert list(speeds) == list(ENGINES)
    assert figures["advantage"] == pytest.approx(speeds["mlx"] / speeds["llama.cpp"] - 1)
    assert [row["prompt_tokens"] for row in figures["prefill"]] == [512]
    assert set(figures["context"]) == set(ENGINES)


def test_a_model_that_one_engine_refuses_is_compared_on_the_other(tmp_path: Path) -> None:
    missing = LoadRequest("mlx", str(tmp_path / "nothing"))
    there = LoadRequest("llama.cpp", "demo:draft", context_window_tokens=600)
    figures = compare_model("draft", (missing, there), 8, 1, 10.0).to_json()
    assert list(figures["decode_tps"]) == ["llama.cpp"]
    assert figures["advantage"] is None
    assert "nothing" in figures["refused"]["mlx"]


@pytest.mark.parametrize("quantization", ["Q8_0", "Q4_K_M"])
def test_llama_cpp_runs_a_random_model(tmp_path: Path, quantization: str) -> None:
    path = random_model_path(f"random:tiny:{quantization}", tmp_path)
    with Workbench(LoadRequest("llama.cpp", str(path), context_window_tokens=256)) as bench:
        run = bench.run_ours(bench.encode(OPENING), 12)
    assert len(run.token_ids) == 12


def test_mlx_runs_a_random_model(tmp_path: Path) -> None:
    path = random_model_path("random:tiny", tmp_path)
    with Workbench(LoadRequest("mlx", str(path), context_window_tokens=256)) as bench:
        run = bench.run_ours(bench.encode(OPENING), 12)
    assert len(run.token_ids) == 12


def test_a_model_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        Workbench(LoadRequest("llama.cpp", str(tmp_path / "nothing.gguf")))


def test_a_run_is_made_of_the_new_tokens_alone(bench: Workbench) -> None:
    prompt_ids = bench.encode(OPENING)
    run: Run = bench.run_ours(prompt_ids, 3)
    assert len(run.token_ids) == 3
