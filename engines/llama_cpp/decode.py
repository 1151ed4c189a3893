"""The loop that turns a prefilled context into an answer, with drafts or without."""

from __future__ import annotations

import time
from collections.abc import Generator

from engines.base import Cancelled
from engines.events import FinishReason, TextChunk
from engines.generation import GenerationRun
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.sampling import SamplerChain
from engines.llama_cpp.speculative import Drafter
from engines.llama_cpp.vocabulary import Vocabulary


class DecodeLoop:
    """Draws tokens until the answer ends.

    Every token is drawn from the target, by the same chain and in the same order as without
    drafts: a draft only decides how many rows of one pass can be used. So the text is the same
    with drafts and without, up to the numerical noise of wider passes.

    Args:
        cache: Holds the whole prompt; the last pass left one output row.
        limit_tokens: Tokens to generate at most.
        drafter: None decodes one token a pass.
    """

    def __init__(
        self,
        run: GenerationRun,
        cache: SequenceCache,
        vocabulary: Vocabulary,
        chain: SamplerChain,
        limit_tokens: int,
        cancelled: Cancelled,
        drafter: Drafter | None,
    ) -> None:
        self._run = run
        self._cache = cache
        self._vocabulary = vocabulary
        self._chain = chain
        self._limit_tokens = limit_tokens
        self._cancelled = cancelled
        self._drafter = drafter

    def chunks(self) -> Generator[TextChunk, None, FinishReason]:
        """Yields text as it becomes certain; returns why the answer ended."""
        if self._limit_tokens <= 0:
            return FinishReason.LENGTH
        reason = yield from self._take_rows([])
        while reason is None:
            if self._drafter is None:
                self._cache.decode(self._run.token_ids[-1:], 1)
                reason = yield from self._take_rows([])
            else:
                reason = yield from self._speculate(self._drafter)
        return reason

    def _speculate(self, drafter: Drafter) -> Generator[TextChunk, None, FinishReason | None]:
        """Draft, verify in one pass, keep what the target drew too."""
        run = self._run
        started_s = time.perf_counter()
        drafted = self._draft(drafter)
        drafted_s = time.perf_counter()
        self._cache.decode([run.token_ids[-1], *drafted], 1 + len(drafted))
        self._cache.context.wait()
        verified_s = time.perf_counter()
        accepted_before = run.accepted_tokens
        run.drafted_tokens += len(drafted)
        reason = yield from self._take_rows(drafted)
        if reason is not None:
            return reason
        self._cache.truncate(len(run.token_ids) - 1)
        if drafted:
            drafter.depth.record(
                len(drafted),
                run.accepted_tokens - accepted_before,
                drafted_s - started_s,
                verified_s - drafted_s,
            )
        else:
            drafter.depth.record_plain(verified_s - drafted_s)
        return None

    def _draft(self, drafter: Drafter) -> list[int]:
        depth = min(drafter.depth.next_depth(), self._limit_tokens - self._run.generated_tokens - 1)
        return drafter.draft(self._run.token_ids, depth, self._cancelled) if depth > 0 else []

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
