"""Draws the next token from a row of logits."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import mlx.core as mx

from engines.types import PENALTY_WINDOW_TOKENS, SamplingParams

if TYPE_CHECKING:
    from engines.grammar.answer_form import AnswerForm


class Sampler:
    """Logit bias, penalties, then top-k, top-p and min-p, then temperature, as in llama.cpp.

    Every position of an answer has a random key of its own, so that a drafted position and a plain
    one draw the same token from the same logits.

    Args:
        params: What was asked for; without a seed two samplers draw differently.
        logit_bias: `params.logit_bias`, by token id.
        form: The constraint that the answer is held to, or None; `settle` does that.
    """

    def __init__(
        self,
        params: SamplingParams,
        logit_bias: Mapping[int, float] | None = None,
        form: AnswerForm | None = None,
    ) -> None:
        self.form = form
        self._params = params
        self._random = random.Random(params.seed)
        self._keys: list[mx.array] = []
        self._is_greedy = params.temperature <= 0
        self._penalizes = params.has_penalties
        self._bias = _bias_arrays(logit_bias) if logit_bias else None

    def sample(self, logits: mx.array, position: int, history: mx.array | None) -> mx.array:
        """Tokens for `logits` (rows x vocabulary), the first one at `position` of the answer.

        Args:
            history: The tokens before the one to draw for the last row, the end of the prompt
                included; only read when `needs_history`.

        Returns:
            Unevaluated token ids, one per row.
        """
        if self._is_greedy and not self._penalizes and self._bias is None:
            return mx.argmax(logits, axis=-1)
        rows = [
            self._sample_row(logits[row], position + row, history, logits.shape[0] - 1 - row)
            for row in range(logits.shape[0])
        ]
        return mx.stack(rows)

    def settle(
        self,
        logits: mx.array,
        sampled: Sequence[int],
        drafted: Sequence[int],
        position: int,
        history: mx.array | None,
    ) -> list[int]:
        """The tokens to take of one pass: up to the first that is not the drafted one.

        Where there is a constraint, a token that it refuses is drawn again among those it allows.
        The random key is the same, so that (without top-k, top-p and min-p, which look at what
        there is) the result is the one that a draw among these alone would have given.

        Args:
            sampled: What `sample` gave for `logits`, `position` and `history`.
            drafted: The tokens fed after the first one of the pass.
        """
        taken: list[int] = []
        for row, token_id in enumerate(sampled):
            if self.form is not None:
                if not self.form.allows(token_id):
                    allowed = mx.array(self.form.allowed(logits.shape[-1]))
                    later_rows = logits.shape[0] - 1 - row
                    redrawn: Any = self._sample_row(
                        logits[row], position + row, history, later_rows, allowed
                    ).item()
                    token_id = int(redrawn)
                self.form.accept(token_id)
            taken.append(token_id)
            if row >= len(drafted) or token_id != drafted[row]:
                break
        return taken

    @property
    def needs_history(self) -> bool:
        return self._penalizes

    def _sample_row(
        self,
        logits: mx.array,
        position: int,
        history: mx.array | None,
        later_rows: int,
        allowed: mx.array | None = None,
    ) -> mx.array:
        logits = logits.astype(mx.float32)
        if allowed is not None:
            logits = mx.where(allowed, logits, -mx.inf)
        if self._bias is not None:
            biased_ids, biases = self._bias
            logits = logits.at[biased_ids].add(biases)
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


def _bias_arrays(logit_bias: Mapping[int, float]) -> tuple[mx.array, mx.array]:
    return mx.array(list(logit_bias)), mx.array(list(logit_bias.values()))


def _is_first(logits: mx.array) -> mx.array:
    return mx.arange(logits.size) == 0
