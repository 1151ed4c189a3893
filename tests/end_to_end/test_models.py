"""The embedded model on the real engines."""

from __future__ import annotations

import re

import pytest

from engines.registry import why_unavailable
from tests.end_to_end.chat import ask, numbered_words, stats_bar, wait_for_prompt, wait_for_speed
from tests.end_to_end.conftest import Launch

pytestmark = [pytest.mark.pty, pytest.mark.model, pytest.mark.timeout(300)]
QUESTION = "Write a Python function that adds two numbers"
WIDE = 200  # the stats bar names the engine only where there is room
NATIVE_NOISE = re.compile(
    r"llama_|ggml_|load_tensors|print_info|clip_|Traceback|Warning|n_ctx|tokenizer", re.IGNORECASE
)
MISSING = [name for name in ("mlx", "llama.cpp") if why_unavailable(name) is not None]


@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_a_question_is_answered_with_figures(launch: Launch, engine: str) -> None:
    if engine in MISSING:
        pytest.skip(f"{engine} is not installed")
    program = launch("--engine", engine, columns=WIDE)
    ask(program, QUESTION)
    program.wait_for(re.compile(r"def \w+\("), 120)
    bar = wait_for_speed(program)

    assert re.search(r"TTFT [\d.]+ m?s", bar)
    assert re.search(r"[\d.]+ tok/s", bar)
    assert engine in bar.lower()
    assert not NATIVE_NOISE.search(program.screen.text)


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_f2_gives_the_next_answer_to_the_other_engine(launch: Launch) -> None:
    program = launch(columns=WIDE)
    ask(program, QUESTION)
    program.wait_for(re.compile(r"def \w+\("), 120)
    wait_for_speed(program)
    first = stats_bar(program)
    wait_for_prompt(program)
    program.press("f2")
    program.wait_for(lambda _: _engine(stats_bar(program)) not in ("", _engine(first)), 120)
    ask(program, "Write a Python function that multiplies two numbers")
    program.wait_for(lambda screen: len(re.findall(r"def \w+\(", screen.text)) >= 2, 120)

    program.wait_for(lambda _: _engine(stats_bar(program)) not in ("", _engine(first)))
    assert _engine(first) in ("mlx", "llama.cpp")
    assert not NATIVE_NOISE.search(program.screen.text)


def test_the_demonstration_model_is_labelled_as_what_it_is(launch: Launch) -> None:
    program = launch()
    wait_for_prompt(program)
    program.wait_for(re.compile(r"tiny demonstration model", re.IGNORECASE))


@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_the_second_turn_reuses_the_first_ones_prefill(launch: Launch, engine: str) -> None:
    if engine in MISSING:
        pytest.skip(f"{engine} is not installed")
    program = launch("--engine", engine)
    for number, question in enumerate([QUESTION, "Write one that multiplies them"], start=1):
        ask(program, question)
        program.wait_for(re.compile(rf"(\d tokens · [^$]*){{{number}}}"), 120)
    cached, prompt = _cached_of(program.screen.text)

    assert 0 < prompt - cached < prompt / 2


def test_a_message_sent_before_the_model_is_ready_is_answered(launch: Launch) -> None:
    program = launch()
    wait_for_prompt(program)
    program.type(f"{QUESTION}\n")
    program.wait_for(QUESTION)
    program.wait_for(re.compile(r"def \w+\("), 120)


def test_f2_in_mid_answer_applies_to_the_next_turn_and_says_so(launch: Launch) -> None:
    program = launch(script=numbered_words(900), rate_tps=60)
    ask(program, "count")
    program.wait_for("w010")
    program.press("f2")
    program.wait_for(re.compile(r"Coding (from the next turn on|is being made ready)"))
    program.wait_for("w100")
    program.press("escape")
    program.wait_for("stopped")
    program.wait_for(re.compile(r"^\W*Coding · (tiny )?demo", re.MULTILINE), 120)
    ask(program, QUESTION)
    program.wait_for(re.compile(r"def \w+\("), 120)


def _engine(bar: str) -> str:
    found = re.search(r"mlx|llama\.cpp", bar, re.IGNORECASE)
    return found.group().lower() if found else ""


def _cached_of(text: str) -> tuple[int, int]:
    found = re.findall(r"cached (\d+)/(\d+)", text)
    assert found, text
    return int(found[-1][0]), int(found[-1][1])
