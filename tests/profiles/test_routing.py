"""Which engine a turn goes to, with injected figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.errors import EngineUnavailable
from profiles.routing import (
    GUIDE_SPEEDS,
    ChosenBy,
    EngineOption,
    choose_engine,
    expected_answer_tokens,
    routable_engines,
)
from profiles.schema import Profile
from profiles.task import Task

BOTH = Profile(
    name="both",
    model="org/mlx",
    engine="auto",
    model_by_engine=(("mlx", "org/mlx"), ("llama.cpp", "org/gguf")),
)


def options(
    mlx_tokens: int, llama_tokens: int | None = None, measured: bool = True
) -> list[EngineOption]:
    """MLX decodes twice as fast and prefills half as fast."""
    llama_tokens = mlx_tokens if llama_tokens is None else llama_tokens
    speeds = [(500.0, 60.0), (1000.0, 30.0)] if measured else [(None, None), (None, None)]
    return [
        EngineOption("mlx", mlx_tokens, *speeds[0]),
        EngineOption("llama.cpp", llama_tokens, *speeds[1]),
    ]


def test_predicted_time_is_load_prefill_and_decode() -> None:
    option = EngineOption("mlx", 1000, prefill_tps=500, decode_tps=50, load_s=3)
    assert option.predicted_s(100) == 3 + 2 + 2


def test_short_in_and_long_out_goes_to_the_faster_decode_and_says_why() -> None:
    choice = choose_engine(options(40), 300)
    assert (choice.engine, choice.by) == ("mlx", ChosenBy.MEASURED)
    assert choice.reason == "MLX: 40 tokens in, about 300 out: 5.1 s against 10.0 s on llama.cpp"
    assert dict(choice.predicted_s) == pytest.approx({"mlx": 5.08, "llama.cpp": 10.04})


def test_long_in_and_short_out_goes_to_the_faster_prefill() -> None:
    assert choose_engine(options(20_000), 100).engine == "llama.cpp"


def test_what_a_switch_would_read_again_counts() -> None:
    """20,000 tokens are cached by MLX, which would be slower at reading them."""
    assert choose_engine(options(50, 20_050), 100, current="mlx").engine == "mlx"


def test_loading_counts_and_is_told() -> None:
    mlx, llama = options(40)
    choice = choose_engine([replace(mlx, load_s=30.0), llama], 300)
    assert choice.engine == "llama.cpp"
    assert choice.reason.endswith("35.1 s on MLX, loading included")


def test_a_switch_must_gain_enough() -> None:
    mlx, llama = options(0)
    nearly = [replace(mlx, decode_tps=33.0), llama]
    choice = choose_engine(nearly, 300, current="llama.cpp")
    assert (choice.engine, choice.is_change) == ("llama.cpp", False)
    assert "llama.cpp stays" in choice.reason
    assert choice.reason.endswith("too little for a switch")
    assert choose_engine(nearly, 300, current="").engine == "mlx"
    assert choose_engine(options(40), 300, current="llama.cpp").is_change


def test_a_share_of_a_very_short_turn_is_not_worth_a_switch() -> None:
    assert choose_engine(options(10), 15, current="llama.cpp").engine == "llama.cpp"


def test_alternating_turns_near_the_border_do_not_flap() -> None:
    current, seen = "mlx", []
    for tokens in (9000, 11000) * 4:
        current = choose_engine(options(tokens), 600, current=current).engine
        seen.append(current)
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    ("prompt", "answer", "engine"),
    [(40, 300, "mlx"), (1400, 300, "mlx"), (1600, 300, "llama.cpp"), (8500, 150, "llama.cpp")],
)
def test_without_measurements_the_guides_rule_holds(prompt: int, answer: int, engine: str) -> None:
    choice = choose_engine(options(prompt, measured=False), answer)
    assert (choice.engine, choice.by) == (engine, ChosenBy.GUIDE)
    assert "not measured here yet" in choice.reason
    assert choice.predicted_s == ()


def test_without_a_gpu_mlx_has_to_prove_itself() -> None:
    for prompt, answer in ((40, 300), (8500, 150)):
        choice = choose_engine(options(prompt, measured=False), answer, has_gpu=False)
        assert choice.engine == "llama.cpp"
        assert "the faster one without a GPU" in choice.reason
    assert choose_engine(options(40), 300, has_gpu=False).engine == "mlx"


def test_one_engine_that_is_not_measured_leaves_it_to_the_rule() -> None:
    measured, (_, unmeasured) = options(40), options(40, measured=False)
    slow_mlx = replace(measured[0], decode_tps=1.0)
    assert choose_engine([slow_mlx, unmeasured], 300).by is ChosenBy.GUIDE


def test_the_rule_is_the_guides_own_benchmark() -> None:
    prefill, decode = zip(*GUIDE_SPEEDS.values(), strict=True)
    assert prefill == pytest.approx((8500 / 49.4, 8500 / 37.8), rel=0.01)
    assert decode == pytest.approx((51, 51 / 1.35), rel=0.01)


def test_what_does_not_fit_goes_to_the_other_engine() -> None:
    mlx, llama = options(40)
    choice = choose_engine([replace(mlx, refused="has not room for the model"), llama], 300)
    assert (choice.engine, choice.by) == ("llama.cpp", ChosenBy.ONLY)
    assert choice.reason == "llama.cpp: MLX has not room for the model"


def test_where_all_are_refused_the_one_that_can_split_layers_tries() -> None:
    refused = [replace(option, refused="has not room") for option in options(40)]
    assert choose_engine(refused, 300).engine == "llama.cpp"


def test_a_pin_holds_whatever_is_faster() -> None:
    choice = choose_engine(options(20_000), 10, pinned="mlx")
    assert (choice.engine, choice.by, choice.reason) == ("mlx", ChosenBy.PINNED, "MLX: pinned")
    assert choose_engine(options(20_000), 10, pinned="remote").engine == "llama.cpp"


def test_answers_are_as_long_as_usual_else_as_the_task_has_them() -> None:
    assert expected_answer_tokens(BOTH) == 300
    assert expected_answer_tokens(replace(BOTH, task=Task.REASONING)) == 1500
    assert expected_answer_tokens(replace(BOTH, task=Task.REASONING), 700) == 700
    assert expected_answer_tokens(replace(BOTH, max_tokens=50), 700) == 50


def test_engines_that_a_profile_has_a_model_for() -> None:
    def all_work(engine: str) -> EngineUnavailable | None:
        return None

    def no_mlx(engine: str) -> EngineUnavailable | None:
        return EngineUnavailable("no") if engine == "mlx" else None

    assert routable_engines(BOTH, all_work) == ("mlx", "llama.cpp")
    assert routable_engines(BOTH, no_mlx) == ("llama.cpp",)
    demo = Profile(name="demo", model="demo:target", engine="mlx")
    assert routable_engines(demo, all_work) == ("mlx", "llama.cpp")
    file = Profile(name="file", model="model-Q4_K_M.gguf", engine="auto")
    assert routable_engines(file, all_work) == ("llama.cpp",)
