"""Draws the next token from a row of logits."""

from __future__ import annotations

import math
import random

import mlx.core as mx

from engines.errors import GenerationError
from engines.types import SamplingParams

PENALTY_WINDOW_TOKENS = 64


class Sampler:
    """Penalties, then top-k, top-p and min-p, then temperature, as in llama.cpp.

    Every position of an answer has a random key of its own, so that a drafted position and a plain
    one draw the same token from the same logits.

    Args:
        params: What was asked for; without a seed two samplers draw differently.

    Raises:
        GenerationError: a setting is not a usable number.
    """

    def __init__(self, params: SamplingParams) -> None:
        _check(params)
        self._params = params
        self._random = random.Random(params.seed)
        self._keys: list[mx.array] = []
        self._is_greedy = params.temperature <= 0
        self._penalizes = (
            params.repetition_penalty != 1
            or params.presence_penalty != 0
            or params.frequency_penalty != 0
        )

    def sample(self, logits: mx.array, position: int, history: mx.array | None) -> mx.array:
        """Tokens for `logits` (rows x vocabulary), the first one at `position` of the answer.

        Args:
            history: The tokens before the one to draw for the last row, the end of the prompt
                included; only read when `needs_history`.

        Returns:
            Unevaluated token ids, one per row.
        """
        if self._is_greedy and not self._penalizes:
            return mx.argmax(logits, axis=-1)
        rows = [
            self._sample_row(logits[row], position + row, history, logits.shape[0] - 1 - row)
            for row in range(logits.shape[0])
        ]
        return mx.stack(rows)

    @property
    def needs_history(self) -> bool:
        return self._penalizes

    def _sample_row(
        self, logits: mx.array, position: int, history: mx.array | None, later_rows: int
    ) -> mx.array:
        logits = logits.astype(mx.float32)
        if self._penalizes and history is not None:
            before = history[: history.size - later_rows]
            logits = self._penalize(logits, before[-PENALTY_WINDOW_TOKENS:])
        if self._is_greedy:
            return mx.argmax(logits, axis=-1)
        candidates, token_ids = self._candidates(logits)
        drawn = mx.random.categorical(
            candidates * (1 / self._params.temperature), key=self._key(position)
        )
        return drawn if token_ids is None else token_ids[drawn]

    def _penalize(self, logits: mx.array, history: mx.array) -> mx.array:
        if history.size == 0:
            return logits
        params = self._params
        counts = mx.zeros(logits.shape, dtype=mx.float32).at[history].add(1.0)
        seen = counts > 0
        repeated = mx.where(
            logits > 0, logits / params.repetition_penalty, logits * params.repetition_penalty
        )
        logits = mx.where(seen, repeated, logits)
        return logits - params.frequency_penalty * counts - params.presence_penalty * seen

    def _candidates(self, logits: mx.array) -> tuple[mx.array, mx.array | None]:
        """Logits that are left to draw from, and their token ids where they were reordered."""
        params = self._params
        token_ids: mx.array | None = None
        if 0 < params.top_k < logits.size:
            token_ids = mx.argpartition(-logits, params.top_k - 1)[: params.top_k]
            logits = logits[token_ids]
        if params.top_p < 1:
            order = mx.argsort(-logits)
            token_ids = order if token_ids is None else token_ids[order]
            logits = logits[order]
            probabilities = mx.softmax(logits)
            before = mx.cumsum(probabilities) - probabilities
            logits = mx.where((before < params.top_p) | _is_first(logits), logits, -mx.inf)
        if params.min_p > 0:
            log_probabilities = logits - mx.max(logits)
            logits = mx.where(mx.exp(log_probabilities) >= params.min_p, logits, -mx.inf)
        return logits, token_ids

    def _key(self, position: int) -> mx.array:
        while len(self._keys) <= position:
            self._keys.append(mx.random.key(self._random.getrandbits(63)))
        return self._keys[position]


def _check(params: SamplingParams) -> None:
    figures = (
        params.temperature,
        params.top_p,
        params.min_p,
        params.repetition_penalty,
        params.presence_penalty,
        params.frequency_penalty,
    )
    if not all(map(math.isfinite, figures)) or params.repetition_penalty <= 0:
        raise GenerationError(
            "A sampling setting is not a usable number.",
            "Check the profile's temperature, top_p, min_p and penalties.",
        )


def _is_first(logits: mx.array) -> mx.array:
    return mx.arange(logits.size) == 0
