from __future__ import annotations

from collections.abc import Callable

import pytest

from engines.base import Cancelled
from engines.bench.trial import MOST_RUNS, TrialRequest, run_trial
from engines.errors import NotEnoughMemory
from engines.events import LoadProgress
from engines.scripted import ScriptedEngine
from engines.types import LoadRequest, ModelInfo

REQUEST = LoadRequest("scripted", "script")


class TooLarge(ScriptedEngine):
    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        raise NotEnoughMemory("It is too large.", "Choose a smaller one.")


def test_prefill_and_decode_are_measured_as_often_as_time_allows() -> None:
    answers = ["one two three four five six seven eight " * 20]
    trial = TrialRequest(REQUEST, prompt_tokens=300, answer_tokens=30)
    figures = run_trial(trial, 5.0, lambda request: ScriptedEngine(answers))
    assert figures.refused == ""
    assert figures.prefill_tps is not None
    assert figures.decode_tps is not None
    assert figures.decode_tps >= (figures.slowest_decode_tps or 0) > 0
    prefill = [stats for stats in figures.stats if stats.generated_tokens == 1]
    decode = [stats for stats in figures.stats if stats.generated_tokens == 30]
    assert (len(prefill), len(decode)) == (MOST_RUNS, MOST_RUNS)
    assert all(200 < stats.prompt_tokens < 400 for stats in prefill)
    assert all(stats.cached_tokens == 0 for stats in figures.stats)


def test_with_next_to_no_time_there_is_one_short_run_of_each() -> None:
    figures = run_trial(TrialRequest(REQUEST), 0.0, lambda request: ScriptedEngine(["a b c " * 50]))
    assert len(figures.stats) == 2
    assert figures.decode_tps


def test_a_model_that_does_not_load_says_why() -> None:
    figures = run_trial(TrialRequest(REQUEST), 1.0, lambda request: TooLarge())
    assert figures.refused == "It is too large."
    assert figures.decode_tps is None


def test_questions_are_named_by_class() -> None:
    with pytest.raises(KeyError):
        run_trial(
            TrialRequest(REQUEST, questions=("nothing",)), 1.0, lambda request: ScriptedEngine()
        )
