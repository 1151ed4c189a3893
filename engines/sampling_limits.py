"""Which sampling settings are usable numbers, on every engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engines.errors import GenerationError

if TYPE_CHECKING:
    from engines.types import SamplingParams

SAMPLING_LIMITS: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, 2**31 - 1),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repetition_penalty": (0.01, 100),
    "presence_penalty": (-100, 100),
    "frequency_penalty": (-100, 100),
}
"""Lowest and highest value of each setting; those of the penalties keep every logit finite."""

LARGEST_LOGIT_BIAS = 1000.0


def check_sampling(params: SamplingParams) -> None:
    """Refuse what would be undefined in an engine.

    Raises:
        GenerationError: names the setting, its value and the limits.
    """
    for name, (lowest, highest) in SAMPLING_LIMITS.items():
        _check(name, getattr(params, name), lowest, highest)
    for token, bias in params.logit_bias:
        _check(f"logit_bias of {token!r}", bias, -LARGEST_LOGIT_BIAS, LARGEST_LOGIT_BIAS)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not math.isfinite(value) or not lowest <= value <= highest:
        raise GenerationError(
            f"{name} cannot be {value:g}.", f"Give a number from {lowest:g} to {highest:g}."
        )
