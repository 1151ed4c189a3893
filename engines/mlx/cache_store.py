"""The KV caches of all conversations of a loaded model, and which one a prompt continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engines.kv.disk import DiskParking
from engines.kv.parking import CacheParking, ParkedCache
from engines.kv.prefix import common_prefix_length
from engines.kv.reuse import CacheLoss, CacheReuse, CacheSource
from engines.mlx.kv_cache import KVCache
from engines.mlx.stored_cache import pack_cache, unpack_cache

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
        """Forget what was fed beyond the sequence, where the caches can, and mark its end."""
        for cache in (self.target, self.draft):
            if cache is not None:
                cache.rewind_within(common_prefix_length(cache.token_ids, list(sequence_ids)))
                cache.mark()

    def fork(self) -> TurnCaches:
        return TurnCaches(self.target.fork(), self.draft.fork() if self.draft else None)


@dataclass(frozen=True, slots=True)
class DiskShelves:
    """Where the target's and the draft's caches lie on disk; None keeps none."""

    target: DiskParking | None = None
    draft: DiskParking | None = None


class CacheStore:
    """The caches of all conversations of a loaded model.

    Args:
        budget_bytes: Bytes of KV cache to keep in memory; the least recently used ones go to disk.
        create: Makes empty caches.
        disk: Where they outlive the process.
    """

    def __init__(
        self,
        budget_bytes: int,
        create: Callable[[], TurnCaches],
        disk: DiskShelves | None = None,
    ) -> None:
        self._parking: CacheParking[TurnCaches] = CacheParking(budget_bytes, self._evict)
        self._create = create
        self._disk = disk or DiskShelves()
        self._evicted: set[str] = set()
        self.reuse = CacheReuse(0, 0, 0, CacheSource.NONE)
        """What the last `take` found."""

    @property
    def size_bytes(self) -> int:
        return self._parking.size_bytes

    def take(self, cache_key: str, prompt_ids: Sequence[int]) -> TurnCaches:
        """Caches that hold a prefix of `prompt_ids`, the longest there is; now the caller's.

        A conversation continues its own cache. Where another one shares much more with the prompt
        (a branch, a shared system prompt), a fork of that one is taken instead.
        """
        parked = self._parking.take(cache_key)
        own, source = parked.kv_cache if parked else None, CacheSource.MEMORY
        if own is None:
            own, source = self._load(cache_key), CacheSource.DISK
        if own is None:
            own, source = self._create(), CacheSource.NONE
        held_ids = list(own.target.token_ids)
        kept = own.target.usable_tokens(prompt_ids)
        match = self._parking.longest_match(prompt_ids)
        if match is not None and match[1] >= kept + _WORTH_A_FORK_TOKENS:
            other = self._parking.peek(match[0])
            if other and other.kv_cache.target.usable_tokens(prompt_ids) > kept:
                own, source = other.kv_cache.fork(), CacheSource.OTHER
        fitted = self._fitted(own, prompt_ids)
        self.reuse = CacheReuse(
            held_tokens=len(held_ids),
            matching_tokens=common_prefix_length(held_ids, list(prompt_ids)),
            reused_tokens=len(fitted.target.token_ids),
            source=source if fitted.target.token_ids else CacheSource.NONE,
            loss=CacheLoss.UNKNOWN if held_ids else self._loss_of(cache_key),
        )
        self._evicted.discard(cache_key)
        return fitted

    def put(self, cache_key: str, caches: TurnCaches) -> None:
        if caches.target.token_ids:
            parked = ParkedCache(caches.target.token_ids, caches, caches.size_bytes)
            self._parking.park(cache_key, parked)

    def forget(self, cache_key: str) -> None:
        self._parking.forget(cache_key)
        for shelf in (self._disk.target, self._disk.draft):
            if shelf is not None:
                shelf.forget(cache_key)

    def save(self, gives_way: Callable[[], bool], is_leaving: bool = False) -> None:
        """Write what is not on disk yet, the latest first, until `gives_way` says to stop.

        Args:
            is_leaving: There is no later time: large caches are written for little news, too.
        """
        for cache_key, parked in self._parking.newest_first():
            if gives_way():
                return
            self._save(cache_key, parked.kv_cache, gives_way, is_leaving)

    def shrink_to(self, size_bytes: int) -> int:
        """Give up what was used longest ago until `size_bytes` are held; returns how many."""
        return self._parking.shrink_to(size_bytes)

    def clear(self) -> None:
        self._parking.clear()

    def _loss_of(self, cache_key: str) -> CacheLoss:
        """Why nothing was held for a key that was just looked for."""
        if self._disk.target is not None and self._disk.target.loss:
            return self._disk.target.loss
        return CacheLoss.EVICTED if cache_key in self._evicted else CacheLoss.UNKNOWN

    def _evict(self, cache_key: str, parked: ParkedCache[TurnCaches]) -> None:
        self._evicted.add(cache_key)
        self._save(cache_key, parked.kv_cache, lambda: False, is_leaving=True)

    def _save(
        self,
        cache_key: str,
        caches: TurnCaches,
        gives_way: Callable[[], bool],
        is_leaving: bool,
    ) -> None:
        for shelf, cache in self._shelved(caches):
            size_bytes = 0 if is_leaving else cache.size_bytes
            if shelf.lacks(cache_key, cache.token_ids, size_bytes):
                shelf.save(cache_key, pack_cache(cache), gives_way)

    def _shelved(self, caches: TurnCaches) -> Iterator[tuple[DiskParking, KVCache]]:
        for shelf, cache in (
            (self._disk.target, caches.target),
            (self._disk.draft, caches.draft),
        ):
            if shelf is not None and cache is not None:
                yield shelf, cache

    def _load(self, cache_key: str) -> TurnCaches | None:
        if self._disk.target is None or (content := self._disk.target.load(cache_key)) is None:
            return None
        target = unpack_cache(content, lambda: self._create().target)
        if target is None:
            self._disk.target.forget(cache_key)
            self._disk.target.loss = CacheLoss.OUTDATED
            return None
        caches = self._create()
        caches.target = target
        if (
            caches.draft is not None
            and self._disk.draft is not None
            and (content := self._disk.draft.load(cache_key)) is not None
        ):
            draft = unpack_cache(content, lambda: self._create().draft or KVCache([]))
            caches.draft = draft or caches.draft
        return caches

    def _fitted(self, caches: TurnCaches, prompt_ids: Sequence[int]) -> TurnCaches:
        empty = self._create()
        if not caches.target.rewind(caches.target.usable_tokens(prompt_ids)):
            caches.target = empty.target
        draft = caches.draft
        if draft is None or not draft.rewind(draft.usable_tokens(prompt_ids)):
            caches.draft = empty.draft
        return caches
