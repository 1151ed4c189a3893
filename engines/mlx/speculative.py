"""Speculative decode: drafts are confirmed by the target, several tokens in one pass."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import mlx.core as mx

from engines.base import Cancelled
from engines.mlx.decoding import Decoder, Token, as_ids, feed_chunk
from engines.mlx.kv_cache import KVCache
from engines.mlx.sampling import Sampler
from engines.speculative.accept import accepted_count
from engines.speculative.turn import DraftPlan, Speculation

_REPLAY_MAX_TOKENS = 8
"""Tokens to feed again beside a draft; more get a pass of their own, so that they stay fed."""


class Drafter:
    """The draft model at work on one sequence.

    Args:
        cache: Holds the sequence from some token on: from the first one, or from a later one where
            reading all of it was not worth the time.
        vocabulary_size: Ids that the target knows; none beyond is drafted.
        cancelled: Asked while it reads, which can take as long as a prefill.
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
        self._start = 0
        self._drafted: list[int] = []
        self._drafted_after = 0

    def follow(self, sequence_ids: Sequence[int]) -> bool:
        """Read all but the last token; False if cancelled, or if a token is the target's alone."""
        end = len(sequence_ids) - 1
        while (start := self._start + len(self._cache.token_ids)) < end:
            chunk = list(sequence_ids[start : min(start + self._chunk_tokens, end)])
            if self._cancelled() or max(chunk) >= self._vocabulary_size:
                return False
            feed_chunk(self._network, self._cache, chunk)
        return sequence_ids[-1] < self._vocabulary_size

    def unread_tokens(self, sequence_ids: Sequence[int]) -> int:
        self._drop_rejected(sequence_ids)
        return len(sequence_ids) - self._start - len(self._cache.token_ids)

    def propose(self, sequence_ids: Sequence[int], depth: int, read_tokens: int) -> list[int]:
        """The `depth` likeliest tokens; none when cancelled while it reads."""
        if self.unread_tokens(sequence_ids) > max(1, read_tokens):
            self._start = max(0, len(sequence_ids) - max(1, read_tokens))
            self._rewind(0)
        self._rewind(len(sequence_ids) - self._start - 1)
        if not self.follow(sequence_ids):
            return []
        self._cache.hold(depth)
        token = mx.array([sequence_ids[-1]])
        drafted = []
        for _ in range(depth):
            logits = self._network(token[None], cache=self._cache.layers)[
                0, :, : self._vocabulary_size
            ]
            token = mx.argmax(logits, axis=-1)
            drafted.append(token)
        self._drafted = as_ids(mx.concatenate(drafted))
        self._drafted_after = len(sequence_ids)
        self._cache.token_ids += [sequence_ids[-1], *self._drafted[:-1]]
        return self._drafted

    def _drop_rejected(self, sequence_ids: Sequence[int]) -> None:
        """Forget what was drafted and did not come about."""
        if self._drafted:
            after = self._drafted_after
            came = sequence_ids[after : after + len(self._drafted)]
            self._rewind(after - self._start + accepted_count(self._drafted, came))
            self._drafted = []

    def _rewind(self, length_tokens: int) -> None:
        if not self._cache.rewind_within(length_tokens):
            raise RuntimeError("the draft model's KV cache did not rewind")


class SpeculativeDecoder(Decoder):
    """Decodes with drafts where that pays, plainly and with a step in flight where not.

    Every token is sampled by the target from its own logits; a drafted one is kept while it equals
    the sample. So the answer is the one plain decode would give, up to rounding: a pass of several
    rows may add in another order than a pass of one.

    Args:
        speculation: Chooses the drafts; holds the prompt.
        max_tokens: No more than this many tokens will be taken.
        drafter: The draft model that `speculation` uses, where it does.
    """

    def __init__(
        self,
        network: Any,
        cache: KVCache,
        sampler: Sampler,
        speculation: Speculation,
        max_tokens: int,
        drafter: Drafter | None = None,
    ) -> None:
        super().__init__(network, cache, sampler)
        self.drafted_tokens = 0
        self.speculation = speculation
        self._max_tokens = max_tokens
        self._drafter = drafter
        self._plain_since_s: float | None = None
        self._returns = False

    def run(self, last_prompt_id: int) -> Iterator[Token]:
        token = self._start(last_prompt_id)
        if self._drafter is not None and self.speculation.record.reads_along:
            self._drafter.follow(self.speculation.token_ids)
        if self._sampler.form is not None:
            yield from self._draft_in_form(token)
        while True:
            plan = self.speculation.plan(self._room_tokens, ahead=True)
            if plan is None:
                following = self._launch(token)
                yield self._take_plain(token)
                token = following
            else:
                token = yield from self._speculate(token, plan)

    def _draft_in_form(self, token: mx.array) -> Iterator[Token]:
        """Like `run`, but no token is fed before the constraint has let it through."""
        (last_id,) = self._settle(token)
        self.speculation.observe([last_id])
        yield Token(last_id)
        while True:
            for each in self._step(last_id, self.speculation.plan(self._room_tokens)):
                yield each
                last_id = each.id

    def _speculate(self, token: mx.array, plan: DraftPlan) -> Generator[Token, None, mx.array]:
        """Draft as long as it pays; returns the token that is then in flight."""
        tokens = self._step_ahead(token, plan)
        while True:
            yield from tokens
            last_id = tokens[-1].id
            next_plan = self.speculation.plan(self._room_tokens)
            if next_plan is None:
                break
            tokens = self._step(last_id, next_plan)
        again = self._taken_along
        if again:
            self.speculation.note_replay(len(again))
        self._plain_since_s = None if again else time.perf_counter()
        self._returns = not again
        self.cache.token_ids += [*again, last_id]
        return self._launch(mx.array([last_id]), again)

    @property
    def _room_tokens(self) -> int:
        """Tokens that may be drafted and will be wanted."""
        return max(0, self._max_tokens - self._position - 1)

    @property
    def _taken_along(self) -> list[int]:
        """Confirmed tokens, but for the last, that were taken back with a refused draft."""
        return self.speculation.token_ids[len(self.cache.token_ids) : -1]

    def _take_plain(self, token: mx.array) -> Token:
        """Wait for a token while the next one is computed."""
        (token_id,) = as_ids(token)
        now_s, since_s = time.perf_counter(), self._plain_since_s
        self._plain_since_s = now_s
        if self._returns and since_s is not None:
            self.speculation.note_return(now_s - since_s)
        else:
            self.speculation.note_plain(None if since_s is None else now_s - since_s)
        self._returns = False
        self.speculation.observe([token_id])
        self.cache.token_ids.append(token_id)
        return Token(token_id)

    def _step_ahead(self, token: mx.array, plan: DraftPlan) -> list[Token]:
        """Verify a lookup's draft behind a token that is still being computed.

        For a draft model that token is waited for, and nothing verified yet.
        """
        drafted = self.speculation.propose(plan)[1:] if plan.lookup else []
        sampled: mx.array | None = None
        if drafted:
            fed = mx.concatenate([token, mx.array(drafted, dtype=token.dtype)])
            self.cache.hold(fed.size)
            sampled = self._feed(self._remember(fed))
            mx.async_eval(sampled)  # type: ignore[no-untyped-call]
        (token_id,) = as_ids(token)
        started_s = time.perf_counter()
        self.speculation.note_plain(None)
        self.speculation.observe([token_id])
        if sampled is None:
            return [Token(token_id)]
        taken = self._settle(sampled, drafted)
        self.speculation.note_draft(
            plan, len(drafted), len(taken) - 1, 0.0, time.perf_counter() - started_s
        )
        return [Token(token_id), *self._confirm([token_id], drafted, taken)]

    def _step(self, last_id: int, plan: DraftPlan | None) -> list[Token]:
        """Draft after `last_id` and verify; returns the confirmed tokens and the target's next."""
        started_s = time.perf_counter()
        drafted = self.speculation.propose(plan) if plan else []
        drafted_s = time.perf_counter()
        again = self._taken_along
        replayed = len(again)
        if replayed > _REPLAY_MAX_TOKENS:
            feed_chunk(self._network, self.cache, again)
            again = []
        self.cache.hold(len(again) + 1 + len(drafted))
        fed = self._remember(mx.array([last_id, *drafted]))
        taken = self._settle(self._feed(fed, again), drafted)
        pass_s = time.perf_counter() - drafted_s
        if plan is None:
            self.speculation.note_plain(None if replayed else pass_s)
            self.speculation.note_replay(replayed)
        else:
            self.speculation.note_draft(
                plan, len(drafted), len(taken) - 1, drafted_s - started_s, pass_s, replayed
            )
        return self._confirm([*again, last_id], drafted, taken)

    def _confirm(self, fed_ids: list[int], drafted: list[int], taken: list[int]) -> list[Token]:
        """Take what a pass over `fed_ids` and `drafted` gave, and take the rest back."""
        accepted = len(taken) - 1
        rejected = len(drafted) - accepted
        self.cache.settle_pass([*fed_ids, *drafted], len(fed_ids) + accepted)
        if self._history is not None and rejected:
            self._history = self._history[:-rejected]
        self._position += len(taken)
        self.drafted_tokens += len(drafted)
        self.speculation.observe(taken)
        return [*(Token(token_id, True) for token_id in taken[:-1]), Token(taken[-1])]
