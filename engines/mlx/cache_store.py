"""The KV caches of all conversations of a loaded model, and which one a prompt continues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engines.kv.parking import CacheParking, ParkedCache
from engines.kv.prefix import common_prefix_length
from engines.mlx.kv_cache import KVCache

_WORTH_A_FORK_TOKENS = 32


@dataclass(slots=True)
class TurnCaches:
    """What one conversation keeps: the target's cache and, with a draft model, the draft's."""

    target: KVCache
    draft: KVCache | None = None

    @property
    def size_bytes(self) -> int:
        return self.target.size_bytes + (self.draft.size_bytes if self.draft else 0)

    def settle(self, sequence_ids: Sequence[int]) -> None:
        """Forget what was fed beyond the sequence, where the caches can."""
        for cache in (self.target, self.draft):
            if cache is not None and cache.can_rewind:
                cache.rewind(common_prefix_length(cache.token_ids, list(sequence_ids)))

    def fork(self) -> TurnCaches:
        return TurnCaches(self.target.fork(), self.draft.fork() if self.draft else None)


class CacheStore:
    """The caches of all conversations of a loaded model.

    Args:
        budget_bytes: Bytes of KV cache to keep; the least recently used ones go first.
        create: Makes empty caches.
    """

    def __init__(self, budget_bytes: int, create: Callable[[], TurnCaches]) -> None:
        self._parking: CacheParking[TurnCaches] = CacheParking(budget_bytes)
        self._create = create

    @property
    def size_bytes(self) -> int:
        return self._parking.size_bytes

    def take(self, cache_key: str, prompt_ids: Sequence[int]) -> TurnCaches:
        """Caches that hold a prefix of `prompt_ids`, the longest there is; now the caller's.

        A conversation continues its own cache. Where another one shares much more with the prompt
        (a branch, a shared system prompt), a fork of that one is taken instead.
        """
        parked = self._parking.take(cache_key)
        own = parked.kv_cache if parked else self._create()
        kept = own.target.usable_tokens(prompt_ids)
        match = self._parking.longest_match(prompt_ids)
        if match is not None and match[1] >= kept + _WORTH_A_FORK_TOKENS:
            other = self._parking.peek(match[0])
            if other and other.kv_cache.target.usable_tokens(prompt_ids) > kept:
                own = other.kv_cache.fork()
        return self._fitted(own, prompt_ids)

    def put(self, cache_key: str, caches: TurnCaches) -> None:
        if caches.target.token_ids:
            parked = ParkedCache(caches.target.token_ids, caches, caches.size_bytes)
            self._parking.park(cache_key, parked)

    def forget(self, cache_key: str) -> None:
        self._parking.take(cache_key)

    def clear(self) -> None:
        self._parking.clear()

    def _fitted(self, caches: TurnCaches, prompt_ids: Sequence[int]) -> TurnCaches:
        empty = self._create()
        if not caches.target.rewind(caches.target.usable_tokens(prompt_ids)):
            caches.target = empty.target
        draft = caches.draft
        if draft is None or not draft.rewind(draft.usable_tokens(prompt_ids)):
            caches.draft = empty.draft
        return caches
