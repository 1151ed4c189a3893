"""The loop that turns a prefilled context into an answer, with drafts or without."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

from engines.base import Cancelled
from engines.events import FinishReason, TextChunk
from engines.generation import GenerationRun
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.sampling import SamplerChain
from engines.llama_cpp.vocabulary import Vocabulary
from engines.speculative.turn import DraftPlan, Speculation

_REPLAY_MAX_TOKENS = 8
"""Tokens to feed again beside a draft; more get a pass of their own, so that they stay fed."""

Steps = Generator[TextChunk, None, FinishReason | None]


class DecodeLoop:
    """Draws tokens until the answer ends.

    Every token is drawn from the target, by the same chain and in the same order as without
    drafts: a draft only decides how many rows of one pass can be used. So the text is the same
    with drafts and without, up to the numerical noise of wider passes.

    Where passes are computed beside us, the next plain one is launched before the text of a token
    is handed on and before a draft is planned; elsewhere the text does not wait for the pass.

    Args:
        cache: Holds the whole prompt; the last pass left one output row.
        limit_tokens: Tokens to generate at most.
        speculation: Drafts for this turn; None decodes one token a pass.
    """

    def __init__(
        self,
        run: GenerationRun,
        cache: SequenceCache,
        vocabulary: Vocabulary,
        chain: SamplerChain,
        limit_tokens: int,
        cancelled: Cancelled,
        speculation: Speculation | None,
    ) -> None:
        self._run = run
        self._cache = cache
        self._vocabulary = vocabulary
        self._chain = chain
        self._limit_tokens = limit_tokens
        self._cancelled = cancelled
        self._speculation = speculation
        self._plan: DraftPlan | None = None
        self._draft: list[int] | None = None
        self._ahead: tuple[DraftPlan, list[int]] | None = None
        self._settled_s: float | None = None

    def chunks(self) -> Generator[TextChunk, None, FinishReason]:
        """Yields text as it becomes certain; returns why the answer ended."""
        if self._limit_tokens <= 0:
            return FinishReason.LENGTH
        reason: FinishReason | None = None
        while reason is None:
            if self._speculation is None or self._plan is None:
                reason = yield from self._decode_plainly()
            else:
                reason = yield from self._verify(self._speculation, self._plan)
        return reason

    def _decode_plainly(self) -> Steps:
        """Go on from the last pass, one token at a time, until a draft is planned."""
        run, cache, vocabulary, chain = self._run, self._cache, self._vocabulary, self._chain
        is_beside = cache.context.computes_aside
        while True:
            token_id = cache.context.sample(chain, 0)
            if vocabulary.ends_generation(token_id):
                return FinishReason.STOP
            is_last = run.generated_tokens + 1 >= self._limit_tokens
            if is_beside:
                self._launch(token_id, is_last)
            elif self._speculation is not None:
                self._note(self._speculation, token_id)
                self._plan = self._speculation.plan(self._room_tokens - 2)
            yield from run.add_token(token_id, vocabulary.piece(token_id))
            if run.stopped:
                return FinishReason.STOP
            if is_last:
                return FinishReason.LENGTH
            if self._cancelled():
                return FinishReason.CANCELLED
            if self._plan is not None:
                return None
            if not is_beside:
                cache.decode([token_id], 1)

    @property
    def _room_tokens(self) -> int:
        return self._limit_tokens - self._run.generated_tokens

    def _launch(self, token_id: int, is_last: bool) -> None:
        """The pass over `token_id`, and meanwhile a draft behind the token it will give.

        None where the draft that was made before holds: that is then to be verified.
        """
        speculation, ahead = self._speculation, self._ahead
        self._ahead = None
        if ahead is not None and speculation is not None:
            plan, draft = ahead
            if plan.lookup is None or draft[:1] == [token_id]:
                self._plan, self._draft = plan, draft[1:] or None
                self._note(speculation, token_id)
                return
        if not is_last:
            self._cache.decode([token_id], 1)
        if speculation is not None:
            self._note(speculation, token_id)
            if (later := speculation.plan(self._room_tokens - 3, ahead=True)) is not None:
                self._ahead = later, speculation.propose(later) if later.lookup else []

    def _note(self, speculation: Speculation, token_id: int) -> None:
        """A plain step gave `token_id`."""
        now_s, since_s = time.perf_counter(), self._settled_s
        self._settled_s = now_s
        if since_s is not None:
            speculation.note_plain(now_s - since_s)
        speculation.observe([token_id])
        speculation.content = self._run.content.kind

    def _verify(self, speculation: Speculation, plan: DraftPlan) -> Steps:
        """Draft, verify in one pass, keep what the target drew too."""
        run, held = self._run, len(self._run.token_ids)
        started_s = time.perf_counter()
        drafted, self._draft = self._draft or speculation.propose(plan), None
        draft_s = time.perf_counter() - started_s
        replayed = self._replay()
        drafted = drafted[: self._cache.hold(len(drafted))]
        self._feed_with(drafted)
        accepted_before = run.accepted_tokens
        reason = yield from self._take_rows(drafted)
        run.drafted_tokens += len(drafted)
        if reason is None and drafted:
            self._cache.truncate(len(run.token_ids) - 1)
        accepted = run.accepted_tokens - accepted_before
        pass_s = time.perf_counter() - started_s - draft_s
        speculation.note_draft(plan, len(drafted), accepted, draft_s, pass_s, replayed)
        run.draft_counts = speculation.counts
        speculation.observe(run.token_ids[held:])
        speculation.content = run.content.kind
        self._plan = speculation.plan(self._room_tokens - 1)
        if reason is None and self._plan is None:
            self._return_to_plain(speculation)
        return reason

    def _return_to_plain(self, speculation: Speculation) -> None:
        """The pass that the next plain step draws from."""
        self._settled_s = time.perf_counter()
        if replayed := self._replay():
            speculation.note_replay(replayed)
            self._settled_s = None
        self._feed_with()

    def _replay(self) -> int:
        """How many tokens have to be fed again, as a refusal took them along."""
        lacking = self._run.token_ids[len(self._cache.token_ids) : -1]
        if len(lacking) > _REPLAY_MAX_TOKENS:
            self._cache.decode(lacking, 0)
        return len(lacking)

    def _feed_with(self, drafted: Sequence[int] = ()) -> None:
        """A pass over what the cache lacks and `drafted`; a row for the last token and for each."""
        lacking = self._run.token_ids[len(self._cache.token_ids) :]
        self._cache.decode([*lacking, *drafted], 1 + len(drafted))

    def _take_rows(self, drafted: list[int]) -> Steps:
        """Draw from the rows of the last pass up to the first that disagrees with the draft."""
        run = self._run
        for row in range(len(drafted) + 1):
            token_id = self._cache.context.sample(self._chain, row)
            if self._vocabulary.ends_generation(token_id):
                return FinishReason.STOP
            accepted = row < len(drafted) and token_id == drafted[row]
            run.accepted_tokens += accepted
            yield from run.add_token(token_id, self._vocabulary.piece(token_id), accepted)
            if run.stopped:
                return FinishReason.STOP
            if run.generated_tokens >= self._limit_tokens:
                return FinishReason.LENGTH
            if self._cancelled():
                return FinishReason.CANCELLED
            if not accepted:
                break
        return None
