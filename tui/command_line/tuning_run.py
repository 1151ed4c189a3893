"""What `llm-tui tune` works with: the profile, the machine, the measurements."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from conversation.measurement import measurement_of
from conversation.measurements import Measurements, writer_beside
from engines.bench.trial import TrialFigures, TrialRequest, run_trial
from engines.errors import EngineError
from engines.hardware_probes import GPU, find_gpu
from profiles.resolve import load_request
from profiles.routing import engine_title, routable_engines
from profiles.schema import Profile
from profiles.tuning import TuneLimit, TuneResult, tune
from profiles.usual_turn import UsualTurn, usual_turn
from tui.command_line.failure import Failure
from tui.command_line.streams import own_streams
from tui.paths import app_paths
from tui.profile_folders import load_catalog

_LEAST_PROMPT_TOKENS, _MOST_PROMPT_TOKENS = 512, 4096
_ANSWER_TOKENS = 128
"""Shorter ones tell little of a speed."""

Report = Callable[[str], None]


def tuned_profile(name: str) -> Profile:
    """The profile called `name`.

    Raises:
        ProfileError: there is none, or it is broken.
        Failure: it has nothing to tune.
    """
    profile = load_catalog(app_paths()).get(name)
    if profile.engine == "scripted":
        raise Failure(f"{name} runs on the scripted engine.", "Choose a profile with a model.")
    return profile


def run_tuning(profile: Profile, seconds: float, keeps_figures: bool, report: Report) -> TuneResult:
    """Measure within about so many seconds.

    Args:
        keeps_figures: Let later turns be predicted by them.
    """
    limit = TuneLimit(seconds)
    paths = app_paths()
    with own_streams(paths.log) as streams, closing(writer_beside(paths.database)) as writer:
        measurements = Measurements(paths.database, writer)
        turn = usual_turn(profile, measurements.answer_tokens(profile))

        def say(line: str) -> None:
            streams.err.write(f"{line} ({max(0.0, limit.left_s):.0f} s left)\n")
            streams.err.flush()

        def measure(tried: Profile, share_s: float) -> TrialFigures:
            figures = _measure(tried, turn, share_s)
            if keeps_figures:
                _keep(measurements, tried, figures)
            return figures

        has_gpu = find_gpu() is not GPU.NONE
        return tune(profile, routable_engines(profile), turn, measure, limit, has_gpu, say)


def _measure(profile: Profile, turn: UsualTurn, share_s: float) -> TrialFigures:
    try:
        request = load_request(profile)
    except EngineError as error:
        return TrialFigures(refused=error.message)
    trial = TrialRequest(
        request,
        use_draft=profile.use_draft,
        prompt_tokens=min(max(turn.prompt_tokens, _LEAST_PROMPT_TOKENS), _MOST_PROMPT_TOKENS),
        answer_tokens=_ANSWER_TOKENS,
        questions=turn.questions,
    )
    return run_trial(trial, share_s)


def _keep(measurements: Measurements, profile: Profile, figures: TrialFigures) -> None:
    """Without a profile's name: they say nothing of how long its answers are."""
    request = load_request(profile)
    for number, stats in enumerate(figures.stats):
        load_s = figures.load_s if number == 0 else None
        made = measurement_of(stats, request, profile, measurements.machine, load_s)
        measurements.record(replace(made, profile="", task=""))


def comments(result: TuneResult) -> dict[str, str]:
    """What to say behind each setting: the figures that speak for it."""
    today = datetime.date.today().isoformat()
    notes = {}
    for key, value in result.chosen.items():
        trials = [each for each in result.trials if each.settings.get(key) == value]
        if not trials:
            continue
        trial = trials[-1]
        figures = trial.figures
        notes[key] = (
            f"tuned {today}: {figures.decode_tps or 0:.1f} tok/s decode,"
            f" {figures.prefill_tps or 0:.0f} tok/s prefill on {engine_title(trial.engine)};"
            f" {trial.verdict}"
        )
    return notes
