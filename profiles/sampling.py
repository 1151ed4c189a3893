"""The keys of a profile's `[sampling]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.sampling_limits import LARGEST_LOGIT_BIAS, SAMPLING_LIMITS
from engines.types import SamplingParams
from profiles.kinds import Kind, Number, TokenBiases
from profiles.settings import Setting, Table

LARGEST_SEED = 2**32 - 1
_DESCRIPTIONS = {
    "temperature": "0 always takes the likeliest token; higher is more surprising.",
    "top_k": "Draw from this many of the likeliest tokens; 0 is off.",
    "top_p": "Draw from the likeliest tokens that have this probability together; 1 is off.",
    "min_p": "Leave out tokens less likely than this share of the likeliest; 0 is off.",
    "repetition_penalty": "Above 1, tokens of the last 64 are less likely; 1 is off.",
    "presence_penalty": "Taken once from the logit of each of the last 64 tokens; 0 is off.",
    "frequency_penalty": "Taken from it for each time that it occurs there; 0 is off.",
    "seed": "With it the same engine writes the same text.",
    "logit_bias": "What to add to the logits of texts, each of which is one token of the model.",
}


def _kind(name: str) -> Kind:
    if name == "logit_bias":
        return TokenBiases(LARGEST_LOGIT_BIAS)
    if name == "seed":
        return Number(0, LARGEST_SEED, is_whole=True)
    lowest, highest = SAMPLING_LIMITS[name]
    return Number(lowest, highest, is_whole=name == "top_k")


def _default(name: str) -> str:
    value = getattr(SamplingParams(), name)
    return "none" if value is None or value == () else f"{value:g}"


SAMPLING = Table(
    tuple(Setting(name, _kind(name), text, _default(name)) for name, text in _DESCRIPTIONS.items())
)


def sampling_from(settings: Mapping[str, Any]) -> SamplingParams:
    """Sampling parameters from the values of the table, which have been checked."""
    biases = tuple(settings.get("logit_bias", {}).items())
    return SamplingParams(**{**settings, "logit_bias": biases})
