"""Drafts with a second, smaller model whose tokens are the same."""

from __future__ import annotations

from collections.abc import Sequence

from engines.base import Cancelled
from engines.llama_cpp.context import CHUNK_TOKENS
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.native_model import NativeModel
from engines.llama_cpp.sampling import SamplerChain
from engines.speculative.accept import accepted_count
from engines.types import SamplingParams


class Drafter:
    """A draft model at work on one sequence at a time.

    Its cache holds the sequence from some token on: from the first one, or from a later one where
    reading all of it was not worth the time.

    Args:
        name: The draft model's own name.
        model: Its vocabulary was checked against the target's.
        cache: On a context of `model`.
        window_tokens: Of that context.
        target_vocabulary_size: Ids from there on mean nothing to the target.
    """

    def __init__(
        self,
        name: str,
        model: NativeModel,
        cache: SequenceCache,
        window_tokens: int,
        target_vocabulary_size: int,
    ) -> None:
        self.name = name
        self.model = model
        self.cache = cache
        self._window_tokens = window_tokens
        self._shared_ids = min(target_vocabulary_size, model.vocabulary.size)
        self._greedy = SamplerChain(SamplingParams(temperature=0.0), model.vocabulary.size)
        self._cancelled: Cancelled = lambda: False
        self._start = 0
        self._drafted: list[int] = []
        self._drafted_after = 0

    @property
    def weights_bytes(self) -> int:
        return self.model.weights_bytes

    @property
    def held_weights_bytes(self) -> int:
        """Weights in memory beside the target's."""
        return self.model.weights_bytes

    def begin(self, cache_key: str, prompt_ids: Sequence[int], cancelled: Cancelled) -> None:
        """Turn to another sequence, or to the next turn of the same."""
        self._cancelled = cancelled
        self._start = 0
        self._drafted = []
        self.cache.switch(cache_key, prompt_ids)

    def follow(self, token_ids: Sequence[int]) -> None:
        """Read `token_ids` as far as the window reaches, while the target reads them too."""
        if len(token_ids) <= self._window_tokens:
            self._read(token_ids, 0)
            self.cache.mark()

    def unread_tokens(self, sequence_ids: Sequence[int]) -> int:
        self._drop_rejected(sequence_ids)
        return len(sequence_ids) - self._start - len(self.cache.token_ids)

    def propose(self, sequence_ids: Sequence[int], depth: int, read_tokens: int) -> list[int]:
        """Fewer where the answer or the window ends, or cancelled while it reads."""
        if self.unread_tokens(sequence_ids) > max(1, read_tokens):
            self._start = max(0, len(sequence_ids) - max(1, read_tokens))
            self.cache.truncate(0)
        depth = min(depth, self._window_tokens - (len(sequence_ids) - self._start))
        if depth <= 0:
            return []
        self.cache.truncate(len(sequence_ids) - self._start - 1)
        if not self._read(sequence_ids, 1):
            return []
        self.cache.hold(CHUNK_TOKENS)  # a draft is many passes, of which only the last is easy
        self._drafted, self._drafted_after = self._draft(depth), len(sequence_ids)
        return self._drafted

    def close(self) -> None:
        self._greedy.close()
        self.cache.close()
        self.model.close()

    def _draft(self, depth: int) -> list[int]:
        drafted: list[int] = []
        while True:
            token_id = self.cache.context.sample(self._greedy, 0)
            if token_id >= self._shared_ids:
                return drafted
            drafted.append(token_id)
            if len(drafted) == depth or self.model.vocabulary.ends_generation(token_id):
                return drafted
            self.cache.decode([token_id], 1)

    def _read(self, sequence_ids: Sequence[int], output_rows: int) -> bool:
        """Read what is new; False if cancelled, or if a token is the target's alone."""
        while (start := self._start + len(self.cache.token_ids)) < len(sequence_ids):
            chunk = list(sequence_ids[start : start + CHUNK_TOKENS])
            if self._cancelled() or max(chunk) >= self._shared_ids:
                return False
            is_last = start + len(chunk) == len(sequence_ids)
            self.cache.decode(chunk, output_rows if is_last else 0)
            self.cache.context.wait()
        return True

    def _drop_rejected(self, sequence_ids: Sequence[int]) -> None:
        """Forget what was drafted and did not come about."""
        after = self._drafted_after
        confirmed = accepted_count(self._drafted, sequence_ids[after : after + len(self._drafted)])
        if self._drafted:
            self.cache.truncate(after - self._start + confirmed)
            self._drafted = []
