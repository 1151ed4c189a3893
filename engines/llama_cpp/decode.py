"""The loop that turns a prefilled context into an answer, with drafts or without."""

from __future__ import annotations

import time
from collections.abc import Generator

from engines.base import Cancelled
from engines.events import FinishReason, TextChunk
from engines.generation import GenerationRun
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.sampling import SamplerChain
from engines.llama_cpp.vocabulary import Vocabulary
from engines.speculative.turn import Speculation


class DecodeLoop:
    """Draws tokens until the answer ends.

    Every token is drawn from the target, by the same chain and in the same order as without
    drafts: a draft only decides how many rows of one pass can be used. So the text is the same
    with drafts and without, up to the numerical noise of wider passes.

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

    def chunks(self) -> Generator[TextChunk, None, FinishReason]:
        """Yields text as it becomes certain; returns why the answer ended."""
        if self._limit_tokens <= 0:
            return FinishReason.LENGTH
        reason = yield from self._take_rows([])
        if self._speculation is not None:
            self._speculation.observe(self._run.token_ids[self._run.prompt_tokens :])
        while reason is None:
            if self._speculation is None:
                self._cache.decode(self._run.token_ids[-1:], 1)
                reason = yield from self._take_rows([])
            else:
                reason = yield from self._step(self._speculation)
        return reason

    def _step(self, speculation: Speculation) -> Generator[TextChunk, None, FinishReason | None]:
        """Draft where it pays, verify in one pass, keep what the target drew too."""
        run, held = self._run, len(self._run.token_ids)
        started_s = time.perf_counter()
        speculation.content = run.content.kind
        plan = speculation.plan(self._limit_tokens - run.generated_tokens - 1)
        drafted = speculation.propose(plan) if plan else []
        draft_s = time.perf_counter() - started_s
        self._cache.decode([run.token_ids[-1], *drafted], 1 + len(drafted))
        accepted_before = run.accepted_tokens
        reason = yield from self._take_rows(drafted)
        if drafted and reason is None:
            self._cache.truncate(len(run.token_ids) - 1)
        step_s = time.perf_counter() - started_s
        if plan is None:
            speculation.note_plain(step_s)
        else:
            accepted = run.accepted_tokens - accepted_before
            speculation.note_draft(plan, len(drafted), accepted, draft_s, step_s - draft_s)
            run.drafted_tokens += len(drafted)
            run.draft_counts = speculation.counts
        speculation.observe(run.token_ids[held:])
        return reason

    def _take_rows(self, drafted: list[int]) -> Generator[TextChunk, None, FinishReason | None]:
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
