"""Finds the fastest settings for a profile on this machine, within a time limit.

    result = tune(profile, engines, turn, measure, limit)
    result.chosen, result.trials, result.left_out

First each engine as the profile is, then one change after the other on the best of them; a change
is kept where a usual turn of the profile's task takes clearly less time with it. At the end what
was found runs against what there was, in turns, and only counts where it wins again. Pure:
`measure` runs the models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engines.bench.trial import TrialFigures
from profiles.routing import engine_title
from profiles.schema import Profile
from profiles.usual_turn import UsualTurn
from profiles.variants import Variant, engine_variants, setting_variants, with_settings

WORTHWHILE_GAIN = 1.05
"""Less is not told apart from noise."""

_BEYOND_DOUBT = 3.0

_TIME_SLACK = 1.2
_TRIALS = 15
"""That a time limit is meant for."""

Measure = Callable[[Profile, float], TrialFigures]
"""Runs a profile for about so many seconds."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One variant as it was measured.

    Args:
        turn_s: Of a usual turn.
        verdict: What came of it, in a few words.
    """

    name: str
    engine: str
    settings: Mapping[str, Any]
    figures: TrialFigures
    turn_s: float | None
    verdict: str

    def to_json(self) -> dict[str, Any]:
        figures = asdict(self.figures)
        del figures["stats"]
        return {
            "name": self.name,
            "engine": self.engine,
            "settings": dict(self.settings),
            **figures,
            "turn_s": self.turn_s,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What `tune` found.

    Args:
        chosen: Settings to write, by key; empty where the profile is best as it is.
        before_s, after_s: A usual turn with the profile as it was, and with `chosen`.
        confirmation: What the last comparison said.
        left_out: Names of what there was no time for.
    """

    turn: UsualTurn
    trials: tuple[Trial, ...]
    chosen: Mapping[str, Any]
    before_s: float | None
    after_s: float | None
    confirmation: str
    left_out: tuple[str, ...]


class TuneLimit:
    """The time there is.

    Args:
        seconds: For all trials together.
        clock: Tells seconds; tests pass their own.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._started_s = clock()

    @property
    def left_s(self) -> float:
        return self.seconds - (self._clock() - self._started_s)


def tune(
    profile: Profile,
    engines: tuple[str, ...],
    turn: UsualTurn,
    measure: Measure,
    limit: TuneLimit,
    has_gpu: bool = False,
    report: Report = lambda line: None,
) -> TuneResult:
    """Measure and choose.

    Args:
        engines: That can run the profile; at least one.
        measure: Takes the profile with the settings to try.
        report: Takes a line for each step.
    """
    search = _Search(profile, turn, measure, limit, report)
    search.compare_engines(engines)
    if search.best is not None:
        search.try_settings(has_gpu)
        search.confirm()
    return search.result()


@dataclass(slots=True)
class _Found:
    """Settings with their figures."""

    settings: dict[str, Any]
    engine: str
    turn_s: float
    figures: TrialFigures


@dataclass
class _Search:
    profile: Profile
    turn: UsualTurn
    measure: Measure
    limit: TuneLimit
    report: Report
    best: _Found | None = None
    before: _Found | None = None
    trials: list[Trial] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    confirmation: str = ""
    trial_s: dict[str, float] = field(default_factory=dict)

    def compare_engines(self, engines: Sequence[str]) -> None:
        """The profile as it is on each engine; its own counts as what there was before."""
        own = self.profile.engine if self.profile.engine in engines else engines[0]
        is_open = self.profile.engine == "auto"
        ordered = (own, *(engine for engine in engines if engine != own))
        for variant in engine_variants(ordered):
            engine = str(variant.settings["engine"])
            if self.best is not None and not self._has_time(variant.name, self.best.engine):
                continue
            settings = {} if is_open or engine == own else dict(variant.settings)
            found = self._run(variant, engine, settings)
            if found is None:
                continue
            self._judge(variant, found)
            if engine == own:
                self.before = found
        if is_open:
            self.before = self.best

    def try_settings(self, has_gpu: bool) -> None:
        """One change after the other, each on top of those that were kept."""
        assert self.best is not None
        engine = self.best.engine
        variants = list(setting_variants(self.profile, engine, has_gpu))
        for place, variant in enumerate(variants):
            settings = {**self.best.settings, **variant.settings}
            if "draft_depth" in settings and not with_settings(self.profile, settings).use_draft:
                continue
            if not self._has_time(variant.name, engine):
                continue
            self._measure_best_again(len(variants) - place)
            found = self._run(variant, engine, settings)
            if found is not None:
                self._judge(variant, found)

    def _measure_best_again(self, variants_left: int) -> None:
        """Right before a change it is compared with, where there is time to do so for each: what
        else the machine does changes over minutes."""
        best = self.best
        assert best is not None
        if not variants_left or self.limit.left_s < self._needed_s(best.engine, variants_left):
            return
        figures = self._measured(best.engine, best.settings)
        turn_s = self.turn.seconds(figures)
        if turn_s is not None:
            best.figures, best.turn_s = figures, turn_s

    def _needed_s(self, engine: str, variants: int) -> float:
        return (2 * variants + 2) * self.trial_s.get(engine, 0.0) * _TIME_SLACK

    def confirm(self) -> None:
        """What was found against what there was once more, one after the other."""
        best, before = self.best, self.before
        if best is None or before is None or not best.settings:
            return
        if self.limit.left_s < self.trial_s[before.engine] + self.trial_s[best.engine]:
            self.confirmation = "not confirmed: there was no time left"
            return
        self.report("confirming: before and after once more")
        pair = [self._seconds(before), self._seconds(best)]
        if None in pair:
            self.confirmation = "not confirmed: one of the two did not run again"
            self.best = before
            return
        before_s, best_s = (value or 0.0 for value in pair)
        if before_s < best_s * WORTHWHILE_GAIN:
            self.confirmation = (
                f"not confirmed: {best_s:.1f} s against {before_s:.1f} s, so nothing is changed"
            )
            self.best = before
        else:
            self.confirmation = f"confirmed: {best_s:.1f} s against {before_s:.1f} s before"

    def result(self) -> TuneResult:
        best, before = self.best, self.before
        return TuneResult(
            turn=self.turn,
            trials=tuple(self.trials),
            chosen=dict(best.settings) if best else {},
            before_s=before.turn_s if before else None,
            after_s=best.turn_s if best else None,
            confirmation=self.confirmation,
            left_out=tuple(self.left_out),
        )

    def _has_time(self, name: str, engine: str) -> bool:
        """For this trial, and for the confirmation after it."""
        before_s = self.trial_s.get(self.before.engine, 0.0) if self.before else 0.0
        needed_s = 2 * self.trial_s.get(engine, 0.0) + before_s
        if self.limit.left_s >= needed_s * _TIME_SLACK:
            return True
        self.left_out.append(name)
        return False

    def _run(self, variant: Variant, engine: str, settings: dict[str, Any]) -> _Found | None:
        self.report(f"{engine_title(engine)}: {variant.name}")
        figures = self._measured(engine, settings)
        turn_s = self.turn.seconds(figures)
        if turn_s is None:
            reason = figures.refused or "it gave no figures"
            self._note(variant, engine, figures, None, f"refused: {reason}")
            return None
        return _Found(settings, engine, turn_s, figures)

    def _judge(self, variant: Variant, found: _Found) -> None:
        """Keep what is clearly faster."""
        best = self.best
        if best is None:
            self.best, verdict = found, "the profile as it is"
        elif variant.note:
            verdict = f"not chosen: {variant.note}"
        elif best.turn_s >= found.turn_s * WORTHWHILE_GAIN:
            if self._wins_again(best, found):
                verdict = f"chosen: {best.turn_s / found.turn_s:.2f} times as fast"
                self.best = found
            else:
                verdict = "no clear difference: it did not win twice"
        elif found.turn_s >= best.turn_s * WORTHWHILE_GAIN:
            verdict = f"slower: {best.turn_s / found.turn_s:.2f} times as fast"
        else:
            verdict = "no clear difference"
        self._note(variant, found.engine, found.figures, found.turn_s, verdict)

    def _wins_again(self, best: _Found, found: _Found) -> bool:
        """Both once more, the better of two runs each: one alone may have been disturbed."""
        if best.turn_s >= found.turn_s * _BEYOND_DOUBT:
            return True
        if self.limit.left_s < self._needed_s(found.engine, 1):
            return False
        for each in (best, found):
            turn_s = self._seconds(each)
            each.turn_s = each.turn_s if turn_s is None else min(turn_s, each.turn_s)
        return best.turn_s >= found.turn_s * WORTHWHILE_GAIN

    def _note(
        self,
        variant: Variant,
        engine: str,
        figures: TrialFigures,
        turn_s: float | None,
        verdict: str,
    ) -> None:
        self.trials.append(Trial(variant.name, engine, variant.settings, figures, turn_s, verdict))

    def _seconds(self, found: _Found) -> float | None:
        return self.turn.seconds(self._measured(found.engine, found.settings))

    def _measured(self, engine: str, settings: Mapping[str, Any]) -> TrialFigures:
        profile = with_settings(self.profile, {**settings, "engine": engine})
        figures = self.measure(profile, self._share_s())
        if not figures.refused:
            self.trial_s[engine] = max(self.trial_s.get(engine, 0.0), figures.seconds)
        return figures

    def _share_s(self) -> float:
        """For one trial of about a dozen."""
        return min(self.limit.seconds / _TRIALS, max(1.0, self.limit.left_s / 3))
