"""What `tune` chooses, with injected figures and a clock that every trial moves on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from engines.bench.trial import TrialFigures
from profiles.schema import Profile
from profiles.task import Task
from profiles.tuning import TuneLimit, TuneResult, tune
from profiles.usual_turn import UsualTurn, usual_turn
from profiles.variants import setting_variants, with_settings

CHAT = Profile(
    name="chat",
    model="org/mlx",
    engine="mlx",
    task=Task.DAILY_CHAT,
    model_by_engine=(("mlx", "org/mlx"), ("llama.cpp", "org/gguf")),
)
BOTH = ("mlx", "llama.cpp")
TURN = UsualTurn(100, 300, ("everyday",))
Speeds = Callable[[Profile], tuple[float, float] | None]


class Bench:
    """Measures nothing: every trial takes ten seconds of its own clock."""

    def __init__(self, speeds: Speeds) -> None:
        self.now_s = 0.0
        self.tried: list[Profile] = []
        self._speeds = speeds

    def measure(self, profile: Profile, share_s: float) -> TrialFigures:
        self.now_s += 10.0
        self.tried.append(profile)
        speeds = self._speeds(profile)
        if speeds is None:
            return TrialFigures(seconds=0.1, refused="It is too large.")
        return TrialFigures(*speeds, seconds=10.0)

    def tune(self, profile: Profile = CHAT, seconds: float = 900.0, **more: Any) -> TuneResult:
        limit = TuneLimit(seconds, lambda: self.now_s)
        return tune(profile, BOTH, more.pop("turn", TURN), self.measure, limit, **more)


def verdicts(result: TuneResult) -> dict[str, str]:
    return {trial.name: trial.verdict for trial in result.trials}


def test_nothing_is_changed_where_nothing_is_faster() -> None:
    bench = Bench(lambda profile: (500.0, 50.0))
    result = bench.tune()
    assert result.chosen == {}
    assert set(verdicts(result).values()) == {
        "the profile as it is",
        "no clear difference",
        "not chosen: it loses detail at long context, which speed alone cannot outweigh",
    }
    assert result.left_out == ()


def test_the_faster_engine_is_chosen_and_confirmed() -> None:
    bench = Bench(lambda profile: (500.0, 100.0 if profile.engine == "llama.cpp" else 50.0))
    result = bench.tune()
    assert result.chosen == {"engine": "llama.cpp"}
    assert result.before_s == pytest.approx(6.2)
    assert result.after_s == pytest.approx(3.2)
    assert result.confirmation == "confirmed: 3.2 s against 6.2 s before"
    assert {trial.engine for trial in result.trials[2:]} == {"llama.cpp"}


def test_changes_are_put_on_top_of_each_other() -> None:
    def speeds(profile: Profile) -> tuple[float, float]:
        decode = 50.0
        decode *= 1.3 if profile.kv_type == "q8_0" else 1.0
        decode *= 1.2 if not profile.use_draft else 1.0
        return 500.0, decode

    assert Bench(speeds).tune().chosen == {"draft": "off", "kv_type": "q8_0"}


def test_quality_is_not_given_up_for_speed() -> None:
    bench = Bench(lambda profile: (500.0, 500.0 if profile.kv_type == "q4_0" else 50.0))
    result = bench.tune()
    assert result.chosen == {}
    assert verdicts(result)["KV cache q4_0"].startswith("not chosen: it loses detail")


def test_memory_that_a_profile_saves_is_not_spent_for_speed() -> None:
    bench = Bench(lambda profile: (500.0, 500.0 if profile.kv_type == "f16" else 50.0))
    assert bench.tune(replace(CHAT, kv_type="q8_0")).chosen == {}


def test_what_does_not_win_again_is_not_kept() -> None:
    """The first trials of llama.cpp run on a machine that is quiet for a moment."""
    bench: Bench

    def speeds(profile: Profile) -> tuple[float, float]:
        is_lucky = profile.engine == "llama.cpp" and bench.now_s < 60
        return 500.0, 100.0 if is_lucky else 50.0

    bench = Bench(speeds)
    result = bench.tune()
    assert result.chosen == {}
    assert result.confirmation.startswith("not confirmed: 6.2 s against 6.2 s")


def test_the_time_is_kept_and_what_it_cost_is_told() -> None:
    bench = Bench(lambda profile: (500.0, 50.0))
    result = bench.tune(seconds=65.0)
    assert bench.now_s <= 65.0
    assert result.left_out
    assert {trial.name for trial in result.trials}.isdisjoint(result.left_out)


def test_there_is_always_one_trial() -> None:
    bench = Bench(lambda profile: (500.0, 50.0))
    result = bench.tune(seconds=1.0)
    assert len(result.trials) == 1
    assert "engine llama.cpp" in result.left_out


def test_what_is_refused_says_why_and_the_other_engine_is_tuned() -> None:
    bench = Bench(lambda profile: None if profile.engine == "mlx" else (500.0, 50.0))
    result = bench.tune()
    assert verdicts(result)["engine MLX"] == "refused: It is too large."
    assert result.chosen == {"engine": "llama.cpp"}


def test_where_nothing_runs_nothing_is_chosen() -> None:
    result = Bench(lambda profile: None).tune()
    assert (result.chosen, result.after_s) == ({}, None)


def test_a_profile_that_leaves_the_engine_open_keeps_it_open() -> None:
    def speeds(profile: Profile) -> tuple[float, float]:
        fast = profile.engine == "llama.cpp"
        return 500.0, (100.0 if fast else 50.0) * (1.0 if profile.use_draft else 1.5)

    result = Bench(speeds).tune(replace(CHAT, engine="auto"))
    assert result.chosen == {"draft": "off"}


def test_the_task_decides_what_counts() -> None:
    """llama.cpp reads twice as fast and writes half as fast."""

    def speeds(profile: Profile) -> tuple[float, float]:
        return (1000.0, 25.0) if profile.engine == "llama.cpp" else (500.0, 50.0)

    chat, documents = usual_turn(CHAT), usual_turn(replace(CHAT, task=Task.LONG_DOCUMENTS))
    assert documents.prompt_tokens > 10 * chat.prompt_tokens
    assert Bench(speeds).tune(turn=chat).chosen == {}
    assert Bench(speeds).tune(turn=documents).chosen == {"engine": "llama.cpp"}


def test_depth_is_not_tried_without_drafts() -> None:
    bench = Bench(lambda profile: (500.0, 50.0 if profile.use_draft else 100.0))
    bench.tune()
    assert not any(profile.draft_depth and not profile.use_draft for profile in bench.tried)


@pytest.mark.parametrize(
    ("profile", "engine", "expected"),
    [
        (CHAT, "llama.cpp", {"no drafts", "flash attention on", "flash attention off"}),
        (replace(CHAT, draft_model="org/small"), "mlx", {"no draft model", "no drafts"}),
        (replace(CHAT, use_draft=False), "mlx", {"drafts from the text", "KV cache q4_0"}),
        (Profile(name="demo", model="demo:target"), "mlx", {"draft model"}),
        (replace(CHAT, prefill_chunk_tokens=256), "llama.cpp", {"prefill chunk 128"}),
    ],
)
def test_there_is_something_to_try_for_every_profile(
    profile: Profile, engine: str, expected: set[str]
) -> None:
    variants = list(setting_variants(profile, engine, has_gpu=False))
    assert expected <= {variant.name for variant in variants}
    for variant in variants:
        assert with_settings(profile, variant.settings) != profile


def test_no_setting_is_tried_that_the_profile_has() -> None:
    tried: list[Mapping[str, Any]] = [
        variant.settings
        for variant in setting_variants(
            replace(CHAT, kv_type="q8_0", flash_attention=True, draft_depth=3), "llama.cpp", True
        )
    ]
    for settings in ({"kv_type": "q8_0"}, {"flash_attention": True}, {"draft_depth": 3}):
        assert settings not in tried


def test_one_disturbed_run_decides_nothing() -> None:
    """Something else runs while the profile is measured before a change, and ends before it."""
    bench: Bench

    def speeds(profile: Profile) -> tuple[float, float]:
        is_disturbed = not profile.flash_attention and len(bench.tried) in range(6, 40, 5)
        return 500.0, 20.0 if is_disturbed else 50.0

    bench = Bench(speeds)
    assert bench.tune().chosen == {}
    assert len(bench.tried) > 12
