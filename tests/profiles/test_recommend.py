"""Recommendations, against the rows of the guide's "Best models for every Mac configuration"."""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest

from engines.described_machine import parse_machine
from engines.fit_question import Verdict
from engines.quantization import find_quantization
from profiles.catalogue import Catalogue, load_catalogue
from profiles.recommend import LLAMA_CPP, MLX, Form, Option, Recommendation, recommend
from profiles.task import Task
from profiles.task_needs import NEEDS

TODAY = date(2026, 11, 20)
MACHINES = (
    "M1 8GB",
    "M4 16GB",
    "M4 32GB",
    "M4 Pro 24GB",
    "M4 Pro 48GB",
    "M4 Max 64GB",
    "M4 Max 128GB",
)


@cache
def answers(words: str) -> dict[Task, Recommendation]:
    found = recommend(parse_machine(words), load_catalogue(), today=TODAY)
    return {answer.task: answer for answer in found}


def options(words: str, task: Task) -> list[Option]:
    answer = answers(words)[task]
    return [answer.choice, *answer.alternatives] if answer.choice else []


def gguf_form(option: Option) -> Form | None:
    return next(
        (form for form in (option.form, option.other) if form and form.engine == LLAMA_CPP), None
    )


# The guide's rows: machine, task, model, quantization; "=" where it is our choice too, else the
# newer or larger model that comes before it.
GUIDE = [
    ("M4 16GB", Task.DAILY_CHAT, "Qwen3.5-9B", "Q5_K_M", "="),
    ("M4 32GB", Task.DAILY_CHAT, "Qwen3.5-9B", "Q5_K_M", "="),
    ("M4 16GB", Task.REASONING, "DeepSeek-R1-Distill-Qwen-14B", "Q4_K_M", "Qwen3.5-9B"),
    ("M4 32GB", Task.REASONING, "DeepSeek-R1-Distill-Qwen-14B", "Q4_K_M", "Qwen3.6-35B-A3B"),
    ("M4 16GB", Task.CODING, "Qwen2.5-Coder-14B-Instruct", "Q4_K_M", "="),
    ("M4 32GB", Task.CODING, "Qwen2.5-Coder-14B-Instruct", "Q4_K_M", "Qwen3.6-35B-A3B"),
    ("M4 16GB", Task.QUICK, "Llama-3.1-8B-Instruct", "Q4_K_M", "Qwen3.5-4B"),
    ("M4 32GB", Task.QUICK, "Llama-3.1-8B-Instruct", "Q4_K_M", "Qwen3.5-4B"),
    ("M4 32GB", Task.DAILY_CHAT, "gpt-oss-20b", "Q4_K_M", "Qwen3.5-9B"),
    ("M4 32GB", Task.VISION, "Gemma-4-26B-A4B", "Q4_K_M", "Qwen3.6-35B-A3B"),
    ("M4 32GB", Task.MAXIMUM_CAPABILITY, "Qwen3.5-35B-A3B", "Q4_K_M", "Qwen3.6-35B-A3B"),
    ("M4 Pro 48GB", Task.DAILY_CHAT, "Qwen3.5-27B", "Q4_K_M", "Qwen3.8-27B"),
    ("M4 Pro 24GB", Task.DAILY_CHAT, "Qwen3.5-9B", "Q8_0", "Qwen3.8-27B"),
    ("M4 Pro 48GB", Task.DAILY_CHAT, "Qwen3.5-9B", "Q8_0", "Qwen3.8-27B"),
    ("M4 Pro 48GB", Task.MAXIMUM_CAPABILITY, "Qwen3.5-35B-A3B", "Q4_K_M", "Qwen3.6-35B-A3B"),
    ("M4 Pro 48GB", Task.CODING, "Qwen2.5-Coder-32B-Instruct", "Q4_K_M", "Qwen3.8-27B"),
    ("M4 Pro 24GB", Task.DAILY_CHAT, "gpt-oss-20b", "Q5_K_M", "Qwen3.8-27B"),
    ("M4 Pro 48GB", Task.DAILY_CHAT, "gpt-oss-20b", "Q5_K_M", "Qwen3.8-27B"),
    ("M4 Pro 48GB", Task.MAXIMUM_CAPABILITY, "Llama-3.3-70B-Instruct", "Q4_K_M", "Qwen3.6-35B-A3B"),
    ("M4 Max 64GB", Task.MAXIMUM_CAPABILITY, "Llama-3.3-70B-Instruct", "Q4_K_M", "Qwen3.6-35B-A3B"),
    (
        "M4 Max 128GB",
        Task.MAXIMUM_CAPABILITY,
        "Llama-3.3-70B-Instruct",
        "Q8_0",
        "Qwen3.5-122B-A10B",
    ),
    (
        "M4 Max 128GB",
        Task.MAXIMUM_CAPABILITY,
        "Llama-3.3-70B-Instruct",
        "Q6_K",
        "Qwen3.5-122B-A10B",
    ),
    ("M4 Max 64GB", Task.VISION, "Qwen3.5-35B-A3B", "Q4_K_M", "Qwen3.8-27B"),
    ("M4 Max 64GB", Task.DAILY_CHAT, "Qwen3.5-27B", "Q8_0", "Qwen3.8-27B"),
    ("M4 Max 128GB", Task.DAILY_CHAT, "Qwen3.5-27B", "Q8_0", "Qwen3.8-27B"),
    ("M4 Max 128GB", Task.MAXIMUM_CAPABILITY, "Qwen3.5-122B-A10B", "Q4_K_M", "="),
]


@pytest.mark.parametrize(("words", "task", "model", "quantization", "instead"), GUIDE)
def test_the_guides_row_is_the_choice_or_comes_after_a_newer_one(
    words: str, task: Task, model: str, quantization: str, instead: str
) -> None:
    found = options(words, task)
    rows = {option.model.name: option for option in found}
    assert model in rows
    form = gguf_form(rows[model])
    assert form is not None
    wanted = find_quantization(quantization).bits_per_weight
    assert find_quantization(form.quantization).bits_per_weight >= wanted
    choice = found[0]
    assert choice.model.name == (model if instead == "=" else instead)
    if instead != "=":
        guides = rows[model].model
        is_larger = choice.model.shape.parameters > guides.shape.parameters
        assert choice.model.released > guides.released or is_larger


@pytest.mark.parametrize("words", MACHINES[1:])
def test_the_guides_long_context_model_is_offered(words: str) -> None:
    """Gemma 3 12B from 16 GB on, with as long a window as fits."""
    found = options(words, Task.LONG_DOCUMENTS)
    gemma = next(o for o in found if o.model.name == "Gemma-3-12B")
    assert gemma.context_tokens >= 32_768
    assert gemma.form.fit.verdict is Verdict.FITS


@pytest.mark.parametrize("words", [*MACHINES, "RTX 4090", "EPYC 64GB 200GB/s", "EPYC 16GB 20GB/s"])
def test_every_machine_has_an_answer_for_every_task_that_fits(words: str) -> None:
    for task, answer in answers(words).items():
        assert answer.choice is not None, task
        for option in (answer.choice, *answer.alternatives):
            may_be_tight = NEEDS[task].may_be_tight
            wanted = (Verdict.FITS, Verdict.TIGHT) if may_be_tight else (Verdict.FITS,)
            assert option.form.fit.verdict in wanted
            assert option.context_tokens <= option.model.shape.context_window_tokens
            assert option.reasons and option.model.license in option.reasons[0]


@pytest.mark.parametrize("words", MACHINES)
def test_the_newest_family_comes_first(words: str) -> None:
    for task in Task:
        found = options(words, task)
        if NEEDS[task].by_size:
            current = [option for option in found if not option.is_aged]
            sizes = [option.model.shape.parameters for option in current]
            assert found[: len(current)] == current
            assert sizes == sorted(sizes, reverse=True)
        else:
            dates = [option.model.released for option in found]
            assert dates == sorted(dates, reverse=True)


def test_the_engine_follows_the_shape_of_the_task() -> None:
    for task in (Task.DAILY_CHAT, Task.CODING):
        assert options("M4 Pro 24GB", task)[0].form.engine == MLX
    long = options("M4 Pro 24GB", Task.LONG_DOCUMENTS)[0]
    assert (long.form.engine, long.kv_type, long.context_tokens) == (LLAMA_CPP, "q8_0", 131_072)
    for answer in answers("RTX 4090").values():
        assert answer.choice is not None and answer.choice.form.engine == LLAMA_CPP


def test_mlx_is_not_asked_for_a_quantized_window() -> None:
    gemma = next(
        o for o in options("M4 16GB", Task.LONG_DOCUMENTS) if o.model.name == "Gemma-3-12B"
    )
    assert (gemma.form.engine, gemma.kv_type) == (MLX, "f16")


def test_a_draft_goes_with_dense_models_that_can_take_tokens_back() -> None:
    coder = next(
        o for o in options("M4 32GB", Task.CODING) if o.model.name.startswith("Qwen2.5-Coder-14B")
    )
    assert coder.draft_model == "mlx-community/Qwen2.5-Coder-0.5B-Instruct-4bit"
    mixture = next(o for o in options("M4 32GB", Task.CODING) if o.model.shape.is_mixture)
    assert mixture.draft_model is None
    assert any("mixture" in reason for reason in mixture.reasons)


def test_what_came_first_and_did_not_do_is_explained() -> None:
    passed = dict(answers("M4 32GB")[Task.DAILY_CHAT].passed_over)
    assert "tok/s" in passed["Qwen3.8-27B"]
    small = dict(answers("M4 16GB")[Task.DAILY_CHAT].passed_over)
    assert "room for" in small["Qwen3.8-27B"]


def test_a_slow_machine_gets_the_fastest_and_is_told_so() -> None:
    slow = answers("EPYC 16GB 20GB/s")[Task.DAILY_CHAT].choice
    assert slow is not None
    assert slow.model.name == "Qwen3.5-4B"
    assert "Slower than this task asks for" in slow.reasons[-1]


def test_entries_older_than_a_year_are_marked() -> None:
    for option in options("M4 32GB", Task.CODING):
        assert option.is_aged == option.model.is_aged(TODAY)
    later = recommend(
        parse_machine("M4 32GB"), load_catalogue(), [Task.DAILY_CHAT], today=date(2028, 1, 1)
    )[0]
    assert later.choice is not None and later.choice.is_aged


def test_an_empty_catalogue_has_no_answer() -> None:
    for answer in recommend(parse_machine("M4 16GB"), Catalogue(), today=TODAY):
        assert answer == Recommendation(answer.task, None, (), ())
