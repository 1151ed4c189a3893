"""What a run of the terminal benchmark measures, and its summary over several runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Times are seconds unless the name says otherwise; unknown is None.

    Args:
        first_paint_s: From the start of the process to the first visible character.
        ready_s: From the start of the process until a typed text shows in the prompt.
        cpu_per_1k_tokens_s: CPU seconds of the process tree per 1,000 tokens, from the first token
            until the end shows and the program is idle.
        bytes_per_token: Bytes written to the terminal from Enter until then, per token.
        first_word_lag_s: From the first token to its showing.
        tail_lag_s: From the last token to its showing.
        key_echo_ms: Time to show of each key typed while the answer streamed.
        peak_rss_bytes: Largest resident memory of the process tree in the run.
    """

    client: str
    scenario: str
    tokens: int
    first_paint_s: float
    ready_s: float
    cpu_per_1k_tokens_s: float
    bytes_per_token: float
    first_word_lag_s: float | None
    tail_lag_s: float | None
    keys_typed: int
    peak_rss_bytes: int
    paints_per_s: float
    key_echo_ms: tuple[float, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range of a figure over the runs that know it."""

    median: float
    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float | None]) -> Spread | None:
        known = [value for value in values if value is not None]
        return cls(statistics.median(known), min(known), max(known)) if known else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The value at `percent` of the ordered `values`, by the nearest rank."""
    ordered = sorted(values)
    return ordered[round(percent / 100 * (len(ordered) - 1))]
