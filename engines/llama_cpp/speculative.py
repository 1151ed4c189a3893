"""Drafts with a second, smaller model whose tokens are the same."""

from __future__ import annotations

from collections.abc import Sequence

from engines.base import Cancelled
from engines.llama_cpp.context import CHUNK_TOKENS, MAX_OUTPUT_ROWS
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.native_model import NativeModel
from engines.llama_cpp.sampling import SamplerChain
from engines.speculative.depth import DraftDepth
from engines.types import SamplingParams

MAX_DEPTH = min(8, MAX_OUTPUT_ROWS - 1)


class Drafter:
    """A draft model and how deep it pays to draft with it.

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
        self.depth = DraftDepth(MAX_DEPTH)
        self._window_tokens = window_tokens
        self._shared_ids = min(target_vocabulary_size, model.vocabulary.size)
        self._greedy = SamplerChain(SamplingParams(temperature=0.0), model.vocabulary.size)

    def follow(self, token_ids: Sequence[int], cancelled: Cancelled) -> None:
        """Read `token_ids` as far as the window reaches, while the target reads them too."""
        if len(token_ids) <= self._window_tokens:
            self._read(token_ids, 0, cancelled)

    def draft(self, token_ids: Sequence[int], depth: int, cancelled: Cancelled) -> list[int]:
        """The `depth` tokens it thinks come next; fewer where the answer or its window ends."""
        depth = min(depth, self._window_tokens - len(token_ids))
        if depth <= 0 or not self._read(token_ids, 1, cancelled):
            return []
        drafted: list[int] = []
        while True:
            token_id = self.cache.context.sample(self._greedy, 0)
            if token_id >= self._shared_ids:
                return drafted
            drafted.append(token_id)
            if len(drafted) == depth or self.model.vocabulary.ends_generation(token_id):
                return drafted
            self.cache.decode([token_id], 1)

    def _read(self, token_ids: Sequence[int], output_rows: int, cancelled: Cancelled) -> bool:
        """Read what is new; False if cancelled, or if a token is the target's alone."""
        self.cache.keep_prefix_of(token_ids[: len(token_ids) - output_rows])
        while (start := len(self.cache.token_ids)) < len(token_ids):
            chunk = token_ids[start : start + CHUNK_TOKENS]
            if cancelled() or max(chunk) >= self._shared_ids:
                return False
            is_last = start + len(chunk) == len(token_ids)
            self.cache.decode(chunk, output_rows if is_last else 0)
            self.cache.context.wait()
        return True

    def close(self) -> None:
        self._greedy.close()
        self.cache.close()
        self.model.close()
