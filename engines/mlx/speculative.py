"""Speculative decode: a small model drafts, the target confirms several tokens in one pass."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx

from engines.base import Cancelled
from engines.mlx.decoding import Decoder, Token, as_ids, prefill
from engines.mlx.kv_cache import KVCache
from engines.mlx.sampling import Sampler
from engines.speculative.accept import accepted_count
from engines.speculative.depth import DraftDepth


class Drafter:
    """The draft model at work on one sequence.

    Args:
        cache: Holds a prefix of the sequence; catches up with it when a draft is asked for.
        vocabulary_size: Ids that the target knows; none beyond is drafted.
        cancelled: Asked while it catches up, which can take as long as a prefill.
    """

    def __init__(
        self,
        network: Any,
        cache: KVCache,
        vocabulary_size: int,
        chunk_tokens: int,
        cancelled: Cancelled = lambda: False,
    ) -> None:
        self._network = network
        self._cache = cache
        self._vocabulary_size = vocabulary_size
        self._chunk_tokens = chunk_tokens
        self._cancelled = cancelled

    def draft(self, sequence_ids: Sequence[int], depth: int) -> list[int]:
        """The `depth` likeliest tokens after `sequence_ids`; none when cancelled meanwhile."""
        for _ in prefill(self._network, self._cache, sequence_ids[:-1], self._chunk_tokens):
            if self._cancelled():
                return []
        token = mx.array([sequence_ids[-1]])
        drafted = []
        for _ in range(depth):
            logits = self._network(token[None], cache=self._cache.layers)[
                0, :, : self._vocabulary_size
            ]
            token = mx.argmax(logits, axis=-1)
            drafted.append(token)
        token_ids = as_ids(mx.concatenate(drafted))
        self._cache.token_ids += [sequence_ids[-1], *token_ids[:-1]]
        return token_ids

    def keep(self, length_tokens: int) -> None:
        """Forget what was drafted beyond the confirmed sequence."""
        if not self._cache.rewind(length_tokens):
            raise RuntimeError("the draft model's KV cache did not rewind")


class SpeculativeDecoder(Decoder):
    """Decodes with drafts where that pays, plainly where not.

    Every token is sampled by the target from its own logits; a drafted one is kept while it equals
    the sample. So the answer is the one plain decode would give, up to rounding: a pass of several
    rows may add in another order than a pass of one.

    Args:
        depth: Chooses the number of tokens to draft; measures across turns.
        max_tokens: No more than this many tokens will be taken.
    """

    def __init__(
        self,
        network: Any,
        cache: KVCache,
        sampler: Sampler,
        drafter: Drafter,
        depth: DraftDepth,
        max_tokens: int,
    ) -> None:
        super().__init__(network, cache, sampler)
        self.drafted_tokens = 0
        self._drafter = drafter
        self._depth = depth
        self._max_tokens = max_tokens

    def run(self, last_prompt_id: int) -> Iterator[Token]:
        token = self._start(last_prompt_id)
        while True:
            started_s = time.perf_counter()
            if self._next_depth():
                (last_id,) = as_ids(token)
                yield Token(last_id)
                while depth := self._next_depth():
                    for drafted in self._step(last_id, depth):
                        yield drafted
                        last_id = drafted.id
                self.cache.token_ids.append(last_id)
                token = self._launch(mx.array([last_id]))
            else:
                following = self._launch(token)
                (token_id,) = as_ids(token)
                self._depth.record_plain(time.perf_counter() - started_s)
                self.cache.token_ids.append(token_id)
                yield Token(token_id)
                token = following

    def _next_depth(self) -> int:
        return max(0, min(self._depth.next_depth(), self._max_tokens - self._position - 1))

    def _step(self, last_id: int, depth: int) -> list[Token]:
        """Draft after `last_id` and verify; returns the confirmed tokens and the target's next."""
        held = self.cache.token_ids
        started_s = time.perf_counter()
        drafted = self._drafter.draft([*held, last_id], depth)
        drafted_s = time.perf_counter()
        fed = self._remember(mx.array([last_id, *drafted]))
        sampled = as_ids(self._feed(fed))
        verified_s = time.perf_counter()
        accepted = accepted_count(drafted, sampled)
        rejected = len(drafted) - accepted
        self.cache.drop_unconfirmed(rejected)
        held += [last_id, *drafted[:accepted]]
        self._forget(rejected)
        self._drafter.keep(len(held))
        self._position += accepted + 1
        self.drafted_tokens += len(drafted)
        if drafted:
            self._depth.record(depth, accepted, drafted_s - started_s, verified_s - drafted_s)
        return [
            *(Token(token_id, True) for token_id in drafted[:accepted]),
            Token(sampled[accepted]),
        ]

    def _forget(self, tokens: int) -> None:
        if self._history is not None and tokens:
            self._history = self._history[:-tokens]
