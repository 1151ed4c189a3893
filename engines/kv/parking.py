"""KV caches that wait for their conversation to come back, under a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from engines.kv.owners import is_meant
from engines.kv.prefix import common_prefix_length

CacheT = TypeVar("CacheT")


@dataclass(slots=True)
class ParkedCache(Generic[CacheT]):
    """A KV cache and the tokens it holds."""

    token_ids: list[int]
    kv_cache: CacheT
    size_bytes: int


class CacheParking(Generic[CacheT]):
    """Parked KV caches by key; the least recently used ones go when the budget is exceeded.

    Args:
        budget_bytes: Bytes of KV cache to keep at most; the last one parked always stays.
        evicted: Takes each cache that has to go, while it is still there.
    """

    def __init__(
        self,
        budget_bytes: int,
        evicted: Callable[[str, ParkedCache[CacheT]], None] = lambda key, cache: None,
    ) -> None:
        self.budget_bytes = budget_bytes
        self._evicted = evicted
        self._caches: OrderedDict[str, ParkedCache[CacheT]] = OrderedDict()

    def park(self, key: str, cache: ParkedCache[CacheT]) -> None:
        self._caches[key] = cache
        self._caches.move_to_end(key)
        self.shrink_to(self.budget_bytes, kept=1)

    def shrink_to(self, size_bytes: int, kept: int = 0, spared: str | None = None) -> int:
        """Give up caches until at most `size_bytes`, or `kept` caches, are left; returns how many.

        The ones used longest ago go first.

        Args:
            spared: The key of one that stays; its bytes do not count.
        """
        candidates = [key for key in self._caches if key != spared]
        excess_bytes = sum(self._caches[key].size_bytes for key in candidates) - size_bytes
        given_up = 0
        for key in candidates[: max(0, len(candidates) - kept)]:
            if excess_bytes <= 0:
                break
            cache = self._caches.pop(key)
            excess_bytes -= cache.size_bytes
            self._evicted(key, cache)
            given_up += 1
        return given_up

    def take(self, key: str) -> ParkedCache[CacheT] | None:
        """Remove and return the cache of `key`."""
        return self._caches.pop(key, None)

    def forget(self, key: str) -> None:
        """Drop the cache of `key`; with a closing slash, those of its owner."""
        for known in [each for each in self._caches if is_meant(each, key)]:
            del self._caches[known]

    def longest_match(self, token_ids: Sequence[int]) -> tuple[str, int] | None:
        """The key whose cache shares the longest prefix with `token_ids`, and its length."""
        ids = list(token_ids)
        best = max(
            ((common_prefix_length(c.token_ids, ids), k) for k, c in self._caches.items()),
            default=(0, ""),
        )
        return (best[1], best[0]) if best[0] else None

    def peek(self, key: str) -> ParkedCache[CacheT] | None:
        return self._caches.get(key)

    def newest_first(self) -> Iterator[tuple[str, ParkedCache[CacheT]]]:
        """Every cache with its key, the one used last first."""
        yield from reversed(list(self._caches.items()))

    def clear(self) -> None:
        self._caches.clear()

    @property
    def size_bytes(self) -> int:
        return sum(cache.size_bytes for cache in self._caches.values())
