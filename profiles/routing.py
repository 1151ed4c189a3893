"""Which engine answers a turn: the one that will be done first.

    predicted time = loading + uncached prompt tokens ÷ prefill tok/s + answer tokens ÷ decode tok/s

with the speeds that were measured on this machine. Before there are any, with those of the guide
this program is built on: short in and long out goes to MLX, long in and short out to llama.cpp.
Pure: whoever asks brings the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from engines.errors import EngineUnavailable
from engines.registry import why_unavailable
from profiles.keys import RUNNING_ENGINES
from profiles.resolve import load_request
from profiles.schema import Profile
from profiles.task import Task

SWITCH_SHARE, SWITCH_S = 0.15, 0.5
"""A switch must gain both: this share of the time, and so many seconds."""

GUIDE_SPEEDS = {"mlx": (172.0, 51.0), "llama.cpp": (225.0, 38.0)}
"""Prefill and decode tok/s. Prefill and MLX's decode: 8.5k tokens in 49.4 s and 37.8 s, and 51
tok/s (Qwen3.5-35B-A3B, M1 Max). Decode of llama.cpp: MLX is 35 % faster (Qwen3-4B, M4 Max). Only
their relation counts: it puts the border at prompts five times as long as their answer."""

SPEEDS_WITHOUT_GPU = {"mlx": (33.0, 12.0), "llama.cpp": (677.0, 185.0)}
"""The same where the processor computes: the embedded model, two cores of an x86 server. MLX has no
fast kernels for processors, so that no turn is better off there."""

_ANSWER_TOKENS = {
    Task.DAILY_CHAT: 300,
    Task.CODING: 500,
    Task.REASONING: 1500,
    Task.LONG_DOCUMENTS: 250,
    Task.QUICK: 100,
    Task.VISION: 200,
    Task.MAXIMUM_CAPABILITY: 600,
}
_USUAL_ANSWER_TOKENS = 300
_TITLES = {"mlx": "MLX"}

Unavailable = Callable[[str], EngineUnavailable | None]


class ChosenBy(StrEnum):
    """What an engine was chosen by."""

    PINNED = "pinned"
    ONLY = "only one"
    MEASURED = "measurements"
    GUIDE = "the guide's rule"


@dataclass(frozen=True, slots=True)
class EngineOption:
    """What a turn would be on one engine.

    Args:
        uncached_tokens: Of the prompt, that this engine would have to prefill.
        prefill_tps: As measured here; None where it was not. `decode_tps` likewise.
        load_s: Until the model is ready; 0 where it is loaded.
        refused: Why it cannot answer, as the end of a sentence; empty where it can.
    """

    engine: str
    uncached_tokens: int
    prefill_tps: float | None = None
    decode_tps: float | None = None
    load_s: float = 0.0
    refused: str = ""

    @property
    def is_measured(self) -> bool:
        return bool(self.prefill_tps and self.decode_tps)

    def predicted_s(self, answer_tokens: int) -> float:
        """Seconds until the answer is complete; the speeds must be known."""
        prefill_s = self.uncached_tokens / (self.prefill_tps or 1.0)
        return self.load_s + prefill_s + answer_tokens / (self.decode_tps or 1.0)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a turn.

    Args:
        reason: One line for the user.
        predicted_s: Seconds by engine; empty where it was not chosen by measurements.
        is_change: Another engine than before answers, or one for the first time.
    """

    engine: str
    by: ChosenBy
    reason: str
    predicted_s: tuple[tuple[str, float], ...] = ()
    is_change: bool = False


def engine_title(engine: str) -> str:
    return _TITLES.get(engine, engine)


def routable_engines(
    profile: Profile, unavailable: Unavailable = why_unavailable
) -> tuple[str, ...]:
    """The engines that the profile has a model for and that work here, whatever it pins.

    A model file or folder is for the engine whose format it has; the embedded models run on both.

    Raises:
        EngineUnavailable: there is none.
    """
    if profile.model_by_engine or profile.model.startswith("demo:"):
        wanted = [engine for engine in RUNNING_ENGINES if profile.model_for(engine)]
        found = tuple(engine for engine in wanted if unavailable(engine) is None)
        if found:
            return found
    return (load_request(profile, unavailable).engine,)


def expected_answer_tokens(profile: Profile, typical_tokens: int | None = None) -> int:
    """How long the answer will be: as usual (`typical_tokens`), else by the task."""
    task = profile.task if profile.task in _ANSWER_TOKENS else None
    guess = _ANSWER_TOKENS[task] if task else _USUAL_ANSWER_TOKENS
    expected = typical_tokens or guess
    return min(expected, profile.max_tokens) if profile.max_tokens else expected


def choose_engine(
    options: Sequence[EngineOption],
    answer_tokens: int,
    current: str = "",
    pinned: str = "",
    has_gpu: bool = True,
) -> EngineChoice:
    """The engine for a turn.

    Args:
        options: At least one.
        answer_tokens: Expected.
        current: The engine that answered last; it stays where a switch would gain little.
        pinned: The engine that the user, or the profile, wants; empty leaves the choice.
        has_gpu: Of the machine; what is not measured yet is supposed by that.
    """
    choice = _choose(options, answer_tokens, current, pinned, has_gpu)
    return replace(choice, is_change=choice.engine != current)


def _choose(
    options: Sequence[EngineOption], answer_tokens: int, current: str, pinned: str, has_gpu: bool
) -> EngineChoice:
    if any(option.engine == pinned for option in options):
        return EngineChoice(pinned, ChosenBy.PINNED, f"{engine_title(pinned)}: pinned")
    usable = [option for option in options if not option.refused] or list(options[-1:])
    if len(usable) == 1:
        return EngineChoice(usable[0].engine, ChosenBy.ONLY, _why_only(usable[0], options))
    if all(option.is_measured for option in usable):
        return _by_measurements(usable, answer_tokens, current)
    return _by_guide(usable, answer_tokens, current, has_gpu)


def _why_only(only: EngineOption, options: Sequence[EngineOption]) -> str:
    others = [f"{engine_title(o.engine)} {o.refused}" for o in options if o.engine != only.engine]
    title = engine_title(only.engine)
    return f"{title}: {', '.join(others)}" if others else f"{title}: there is no other engine"


def _by_measurements(
    options: Sequence[EngineOption], answer_tokens: int, current: str
) -> EngineChoice:
    times_s = {option.engine: option.predicted_s(answer_tokens) for option in options}
    chosen, stays = _best(times_s, current)
    option = next(option for option in options if option.engine == chosen)
    others = [
        f"{seconds:.1f} s on {engine_title(engine)}"
        for engine, seconds in times_s.items()
        if engine != chosen
    ]
    reason = f"{_turn_text(option, answer_tokens, stays)}: {times_s[chosen]:.1f} s against"
    reason += f" {' and '.join(others)}"
    if any(option.load_s for option in options):
        reason += ", loading included"
    if stays:
        reason += "; too little for a switch"
    return EngineChoice(chosen, ChosenBy.MEASURED, reason, tuple(times_s.items()))


def _by_guide(
    options: Sequence[EngineOption], answer_tokens: int, current: str, has_gpu: bool
) -> EngineChoice:
    """Some engine is not measured yet, so figures of other machines stand in for all."""
    speeds = GUIDE_SPEEDS if has_gpu else SPEEDS_WITHOUT_GPU
    supposed = [_supposed(option, speeds) for option in options]
    times_s = {option.engine: option.predicted_s(answer_tokens) for option in supposed}
    chosen, stays = _best(times_s, current)
    option = next(option for option in options if option.engine == chosen)
    if stays:
        why = "a switch would gain little"
    elif not has_gpu:
        why = "it is the faster one without a GPU"
    elif chosen == "mlx":
        why = "it is better at long answers to short prompts"
    else:
        why = "it is better at short answers to long prompts"
    reason = f"{_turn_text(option, answer_tokens, stays)}: {why} (a rule: not measured here yet)"
    return EngineChoice(chosen, ChosenBy.GUIDE, reason)


def _supposed(option: EngineOption, speeds: Mapping[str, tuple[float, float]]) -> EngineOption:
    prefill_tps, decode_tps = speeds.get(option.engine, speeds["llama.cpp"])
    return replace(option, prefill_tps=prefill_tps, decode_tps=decode_tps)


def _best(times_s: dict[str, float], current: str) -> tuple[str, bool]:
    """The engine to take, and whether that is the current one although another is faster."""
    fastest = min(times_s, key=lambda engine: times_s[engine])
    if fastest == current or current not in times_s:
        return fastest, False
    gained_s = times_s[current] - times_s[fastest]
    if gained_s >= max(SWITCH_S, SWITCH_SHARE * times_s[current]):
        return fastest, False
    return current, True


def _turn_text(option: EngineOption, answer_tokens: int, stays: bool) -> str:
    stays_text = " stays" if stays else ""
    return (
        f"{engine_title(option.engine)}{stays_text}: {option.uncached_tokens:,} tokens in,"
        f" about {answer_tokens:,} out"
    )
