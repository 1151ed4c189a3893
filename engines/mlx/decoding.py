"""One chunk of a prefill, and plain decode with one step always in flight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from engines.mlx.kv_cache import KVCache
from engines.mlx.sampling import Sampler
from engines.types import PENALTY_WINDOW_TOKENS

_HISTORY_TOKENS = 2 * PENALTY_WINDOW_TOKENS
"""What the penalties look at, and as much again that a draft may have added in vain."""


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token; `drafted` if the draft model proposed it."""

    id: int
    drafted: bool = False


def feed_chunk(network: Any, cache: KVCache, token_ids: list[int]) -> None:
    """One pass over tokens that follow on what the cache holds; its logits are not computed."""
    network(mx.array(token_ids)[None], cache=cache.layers)
    mx.eval([layer.state for layer in cache.layers])
    cache.token_ids.extend(token_ids)


def as_ids(tokens: mx.array) -> list[int]:
    """Wait for the tokens and return them."""
    ids: Any = tokens.tolist()
    return [int(token_id) for token_id in ids]


class Decoder:
    """Decodes on from a cache that holds all of the prompt but its last token.

    `cache.token_ids` is true at every yield: it holds the tokens yielded so far, the last one
    possibly left out.
    """

    drafted_tokens = 0

    def __init__(self, network: Any, cache: KVCache, sampler: Sampler) -> None:
        self.cache = cache
        self._network = network
        self._sampler = sampler
        self._position = 0
        self._history: mx.array | None = None
        self._logits = mx.array([])
        self._sampled_position = 0

    def run(self, last_prompt_id: int) -> Iterator[Token]:
        """Generated tokens without end; the caller stops."""
        if self._sampler.form is not None:
            yield from self._run_in_form(last_prompt_id)
        token = self._start(last_prompt_id)
        while True:
            following = self._launch(token)
            (token_id,) = as_ids(token)
            self.cache.token_ids.append(token_id)
            yield Token(token_id)
            token = following

    def _run_in_form(self, last_prompt_id: int) -> Iterator[Token]:
        """Like `run`, but no token is fed before the constraint has let it through."""
        token = self._start(last_prompt_id)
        while True:
            (token_id,) = self._settle(token)
            token = self._launch(mx.array([token_id]))
            self.cache.token_ids.append(token_id)
            yield Token(token_id)

    def _settle(self, sampled: mx.array, drafted: Sequence[int] = ()) -> list[int]:
        """Wait for what the last pass sampled; returns the part of it to take."""
        if self._sampler.form is not None:
            mx.async_eval(sampled)  # type: ignore[no-untyped-call]
            self._sampler.form.prepare()
        return self._sampler.settle(
            self._logits, as_ids(sampled), drafted, self._sampled_position, self._history
        )

    def _start(self, last_prompt_id: int) -> mx.array:
        self.cache.token_ids.append(last_prompt_id)
        self._remember(mx.array(self.cache.token_ids[-PENALTY_WINDOW_TOKENS:]))
        token = self._feed(mx.array([last_prompt_id]))
        self._position = 1
        mx.async_eval(token)  # type: ignore[no-untyped-call]
        return token

    def _launch(self, token: mx.array, again: Sequence[int] = ()) -> mx.array:
        """Feed a token that need not be known yet; returns the one after it, unevaluated."""
        following = self._feed(self._remember(token), again)
        self._position += 1
        mx.async_eval(following)  # type: ignore[no-untyped-call]
        return following

    def _feed(self, tokens: mx.array, again: Sequence[int] = ()) -> mx.array:
        """Token ids sampled after each of `tokens`; shape: that of `tokens`.

        Args:
            again: Fed before them, and not for the first time: nothing is sampled after these.
        """
        if again:
            tokens = mx.concatenate([mx.array(list(again), dtype=tokens.dtype), tokens])
        self._logits = self._network(tokens[None], cache=self.cache.layers)[0][len(again) :]
        self._sampled_position = self._position
        return self._sampler.sample(self._logits, self._position, self._history)

    def _remember(self, tokens: mx.array) -> mx.array:
        """Add tokens that are about to be fed to what the penalties look at."""
        if self._sampler.needs_history:
            earlier = self._history
            history = tokens if earlier is None else mx.concatenate([earlier, tokens])
            self._history = history[-_HISTORY_TOKENS:]
        return tokens
