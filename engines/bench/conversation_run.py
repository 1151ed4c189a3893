"""A conversation on a workbench: every turn continues the tokens of the one before."""

from __future__ import annotations

import zlib

from engines.bench.figures import Run
from engines.bench.filler_text import filler_ids
from engines.bench.workbench import GREEDY, Workbench
from engines.types import GenerationRequest


class ConversationRun:
    """Turns with questions of equal length.

    Args:
        cache_key: Of the conversation on this model.
        sequence: Token ids of the turns so far, where another conversation is continued.
    """

    def __init__(self, bench: Workbench, cache_key: str, sequence: tuple[int, ...] = ()) -> None:
        self.sequence = sequence
        self.cache_key = cache_key
        self._bench = bench
        self._turns = 0

    def take_turn(self, question_tokens: int, answer_tokens: int) -> Run:
        """Ask `question_tokens` of new text and let the model answer."""
        self._turns += 1
        seed = zlib.crc32(f"{self.cache_key} {len(self.sequence)} {self._turns}".encode())
        question = tuple(filler_ids(self._bench.encode, question_tokens, seed))
        prompt = (self.sequence, question) if self.sequence else (question,)
        request = GenerationRequest(prompt, self.cache_key, GREEDY, answer_tokens, use_draft=False)
        finished, cpu_s = self._bench.generate(request)
        self.sequence = finished.token_ids
        return Run.of(finished, cpu_s)


def prefilled_again(run: Run, earlier_tokens: int) -> int:
    """Tokens of the conversation's earlier turns that were prefilled once more.

    The last token of an answer was drawn and never fed, so the turn after it feeds it for the
    first time: it does not count.

    Args:
        earlier_tokens: Length of the conversation before this turn.
    """
    return max(0, earlier_tokens - 1 - run.cached_tokens)
