"""The figures of one run, and their summary over several."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engines.events import GenerationFinished


@dataclass(frozen=True, slots=True)
class Run:
    """One prefill and decode, by our engine or by a library's own loop.

    Args:
        token_ids: The generated tokens, without the prompt.
        ttft_s: Seconds from the start to the first generated token.
        decode_s: Seconds from the first generated token to the last.
        cpu_s: Processor seconds of the whole process meanwhile.
    """

    prompt_tokens: int
    cached_tokens: int
    token_ids: tuple[int, ...]
    ttft_s: float
    decode_s: float
    cpu_s: float
    drafted_tokens: int = 0
    accepted_tokens: int = 0

    @classmethod
    def of(cls, finished: GenerationFinished, cpu_s: float) -> Run:
        stats = finished.stats
        return cls(
            prompt_tokens=stats.prompt_tokens,
            cached_tokens=stats.cached_tokens,
            token_ids=finished.token_ids[stats.prompt_tokens :],
            ttft_s=stats.ttft_s or 0.0,
            decode_s=stats.decode_s,
            cpu_s=cpu_s,
            drafted_tokens=stats.drafted_tokens,
            accepted_tokens=stats.accepted_tokens,
        )

    @property
    def decode_tps(self) -> float | None:
        """Tokens per second after the first one."""
        return _rate(len(self.token_ids) - 1, self.decode_s)

    @property
    def prefill_tps(self) -> float | None:
        """Prompt tokens that were not cached, per second until the first generated token."""
        return _rate(self.prompt_tokens - self.cached_tokens, self.ttft_s)

    @property
    def effective_tps(self) -> float | None:
        """Generated tokens per second of the whole wall time, prefill included."""
        return _rate(len(self.token_ids), self.ttft_s + self.decode_s)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range over the runs that know a figure."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def over(cls, values: Iterable[float | None]) -> Spread | None:
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(statistics.median(known), min(known), max(known), len(known))


def median(values: Iterable[float | None]) -> float | None:
    """The median of what is known; None for nothing."""
    spread = Spread.over(values)
    return spread.median if spread else None


def ratio(figure: float | None, to: float | None) -> float | None:
    return figure / to if figure is not None and to else None


def paired_ratios(figures: Sequence[float | None], to: Sequence[float | None]) -> list[float]:
    """Ratios of figures taken one right after the other, so that slow changes of the machine's
    speed cancel out."""
    pairs = (ratio(figure, other) for figure, other in zip(figures, to, strict=True))
    return [value for value in pairs if value is not None]


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if count > 0 and seconds > 0 else None
