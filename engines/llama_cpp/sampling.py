"""Draws tokens with llama.cpp's own samplers."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from engines.errors import GenerationError
from engines.llama_cpp.library import llama
from engines.types import SamplingParams

PENALTY_WINDOW_TOKENS = 64
_SEEDS = 2**32 - 1  # the value 2³² - 1 itself asks the library for a random seed


class SamplerChain:
    """Penalties, top-k, top-p, min-p, temperature, and the draw itself, in this order.

    The chain remembers what was drawn (for the penalties and the random numbers), so rows must be
    sampled in the order of the text.

    Args:
        sampling: What to draw by; temperature 0 is greedy, no seed takes a random one.
        vocabulary_size: Of the model.
        prompt_ids: The penalties count its last tokens too.
    """

    def __init__(
        self, sampling: SamplingParams, vocabulary_size: int, prompt_ids: Sequence[int] = ()
    ) -> None:
        _check(sampling)
        self.handle: Any = llama.llama_sampler_chain_init(
            llama.llama_sampler_chain_default_params()
        )
        if _has_penalties(sampling):
            self._add(
                llama.llama_sampler_init_penalties(
                    vocabulary_size,
                    PENALTY_WINDOW_TOKENS,
                    sampling.repetition_penalty,
                    sampling.frequency_penalty,
                    sampling.presence_penalty,
                )
            )
        for sampler in _drawing_samplers(sampling):
            self._add(sampler)
        if _has_penalties(sampling):
            for token_id in prompt_ids[-PENALTY_WINDOW_TOKENS:]:
                llama.llama_sampler_accept(self.handle, token_id)

    def close(self) -> None:
        if self.handle is not None:
            llama.llama_sampler_free(self.handle)
            self.handle = None

    def _add(self, sampler: Any) -> None:
        if not sampler:  # the library would crash on it
            self.close()
            raise GenerationError("A sampling setting was refused.", "Check the profile.")
        llama.llama_sampler_chain_add(self.handle, sampler)


def _drawing_samplers(sampling: SamplingParams) -> list[Any]:
    if sampling.temperature <= 0:
        return [llama.llama_sampler_init_greedy()]
    seed = random.SystemRandom().randrange(_SEEDS) if sampling.seed is None else sampling.seed
    return [
        *([llama.llama_sampler_init_top_k(sampling.top_k)] if sampling.top_k > 0 else []),
        *([llama.llama_sampler_init_top_p(sampling.top_p, 1)] if sampling.top_p < 1 else []),
        *([llama.llama_sampler_init_min_p(sampling.min_p, 1)] if sampling.min_p > 0 else []),
        llama.llama_sampler_init_temp(sampling.temperature),
        llama.llama_sampler_init_dist(seed % _SEEDS),
    ]


def _has_penalties(sampling: SamplingParams) -> bool:
    return (
        sampling.repetition_penalty != 1
        or sampling.presence_penalty != 0
        or sampling.frequency_penalty != 0
    )


def _check(sampling: SamplingParams) -> None:
    figures = (
        sampling.temperature,
        sampling.top_p,
        sampling.min_p,
        sampling.repetition_penalty,
        sampling.presence_penalty,
        sampling.frequency_penalty,
    )
    if not all(map(math.isfinite, figures)) or sampling.repetition_penalty <= 0:
        raise GenerationError(
            "A sampling setting is not a usable number.",
            "Check the profile's temperature, top_p, min_p and penalties.",
        )
