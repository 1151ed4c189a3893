"""The KV caches of several conversations on one context, and what a prompt can keep of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from engines.kv.disk import DiskParking
from engines.kv.owners import is_meant
from engines.kv.parking import CacheParking, ParkedCache
from engines.kv.prefix import common_prefix_length
from engines.kv.reuse import CacheLoss, CacheReuse, CacheSource
from engines.llama_cpp.context import CHUNK_TOKENS, Context
from engines.llama_cpp.stored_cache import Checkpoint, SavedCache, pack_cache, unpack_cache

_CHECKPOINTS = 16
_CHECKPOINT_BYTES = 512 * 2**20
"""Of one cache; its last two checkpoints are kept whatever they take."""


class SequenceCache:
    """One conversation's cache is live in the context; the others are parked in RAM or on disk.

    `token_ids` always says exactly what the context holds.

    Args:
        context: Used by nothing else.
        can_rewind: False where a cache cannot be cut at any token (recurrent layers), but only
            where `mark` made a checkpoint.
        parking_budget_bytes: RAM for parked caches at most.

    Attributes:
        disk: Where caches outlive the process; None lets them end with it.
        reuse: What the last `switch` found.
    """

    def __init__(self, context: Context, can_rewind: bool, parking_budget_bytes: int) -> None:
        self.context = context
        self.can_rewind = can_rewind
        self.token_ids: list[int] = []
        self.disk: DiskParking | None = None
        self.reuse = CacheReuse(0, 0, 0, CacheSource.NONE)
        self._key: str | None = None
        self._checkpoints: list[Checkpoint] = []
        self._held: Checkpoint | None = None
        self._evicted: set[str] = set()
        self._parking: CacheParking[SavedCache] = CacheParking(parking_budget_bytes, self._evict)

    @property
    def parked_bytes(self) -> int:
        return self._parking.size_bytes

    @property
    def rollback_tokens(self) -> int:
        """Of the last pass, so many tokens can be dropped without feeding any again."""
        return CHUNK_TOKENS if self.can_rewind else self.context.rollback_tokens

    def switch(self, key: str, token_ids: Sequence[int]) -> int:
        """Make the cache of `key` live and cut it to what it shares with `token_ids`.

        Where the cache of another key shares more, a copy of that one is continued.

        Returns:
            Tokens that need no prefill; always fewer than there are, because the last one has to
            be decoded for its logits.
        """
        prompt_ids = list(token_ids)
        held_ids, source = list(self.token_ids), CacheSource.MEMORY
        if key != self._key:
            self._park()
            held_ids, source = self._restore_best(key, prompt_ids)
            self._key = key
        matching = common_prefix_length(held_ids, prompt_ids)
        shared = common_prefix_length(self.token_ids, prompt_ids)
        self.truncate(max(0, min(shared, len(prompt_ids) - 1)))
        self.reuse = CacheReuse(
            held_tokens=len(held_ids),
            matching_tokens=matching,
            reused_tokens=len(self.token_ids),
            source=source if self.token_ids else CacheSource.NONE,
            loss=CacheLoss.UNKNOWN if held_ids else self._loss_of(key),
        )
        self._evicted.discard(key)
        return len(self.token_ids)

    def decode(self, token_ids: Sequence[int], output_rows: int) -> None:
        """One pass over the next tokens, or more of them where they are many.

        An error empties the context.
        """
        last_start = max(0, len(token_ids) - CHUNK_TOKENS)
        if last_start:
            self.decode(token_ids[:last_start], 0)
        try:
            self.context.decode(token_ids[last_start:], len(self.token_ids), output_rows)
        except Exception:
            self._forget_all()
            self.context.discard()
            raise
        self.token_ids += token_ids[last_start:]

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens; fewer where this cache can only go back to a mark."""
        if length >= len(self.token_ids):
            return
        if length and self.context.drop_from(length):
            self._forget_beyond(length)
            return
        checkpoint = _last_within([*self._checkpoints, *self._latest()], length)
        if checkpoint and self.context.go_back(checkpoint.state, checkpoint.length_tokens):
            self._forget_beyond(checkpoint.length_tokens)
        else:
            self._clear()

    def keep_prefix_of(self, token_ids: Sequence[int]) -> None:
        """Drop what does not belong to the sequence `token_ids`."""
        self.truncate(common_prefix_length(self.token_ids, list(token_ids)))

    def hold(self, tokens: int) -> int:
        """Make it possible to take back `tokens`, the last ones of the next pass.

        Where the cache itself cannot drop so many, `truncate` will go back to before the pass, so
        that those of its tokens that are to stay have to be fed again.

        Returns:
            How many can be taken back; fewer where the library gives no copy of its state.
        """
        if tokens <= self.rollback_tokens:
            return tokens
        state = self.context.partial_state() if self.token_ids else None
        self._held = None if state is None else Checkpoint(len(self.token_ids), state)
        return self.rollback_tokens if state is None else tokens

    def can_take_back(self) -> bool:
        """Whether tokens of a pass can be taken back, by trying it on an empty cache."""
        if self.can_rewind:
            return True
        self.decode([0], 0)
        taken_back = self.hold(2)
        self.decode([0, 0, 0], 0)
        self.truncate(2)
        works = taken_back == 2 and bool(self.token_ids)
        self._clear()
        return works

    def mark(self) -> None:
        """Make it possible to come back to this length, where the cache cannot be cut anywhere."""
        length = len(self.token_ids)
        self._held = None
        if self.can_rewind or not length or (state := self.context.partial_state()) is None:
            return
        earlier = [each for each in self._checkpoints if each.length_tokens < length]
        self._checkpoints = [*earlier, Checkpoint(length, state)]
        while len(self._checkpoints) > 2 and (
            len(self._checkpoints) > _CHECKPOINTS
            or sum(len(each.state) for each in self._checkpoints) > _CHECKPOINT_BYTES
        ):
            del self._checkpoints[0]

    def forget(self, key: str) -> None:
        """With a closing slash, the caches of all keys of that owner."""
        self._parking.forget(key)
        if self.disk is not None:
            self.disk.forget(key)
        if self._key is not None and is_meant(self._key, key):
            self._clear()
            self._key = None

    def save(self, gives_way: Callable[[], bool], is_leaving: bool = False) -> None:
        """Write what is not on disk yet, until `gives_way` says to stop.

        Args:
            is_leaving: There is no later time: large caches are written for little news, too.
        """
        if self.disk is None:
            return
        size_bytes = 0 if is_leaving else self.context.used_bytes(len(self.token_ids))
        if (
            self._key is not None
            and self.disk.lacks(self._key, self.token_ids, size_bytes)
            and (saved := self._saved()) is not None
        ):
            self.disk.save(self._key, pack_cache(self.token_ids, saved), gives_way)
        for key, parked in self._parking.newest_first():
            if gives_way():
                return
            self._save(key, parked, gives_way, is_leaving)

    def shrink_to(self, size_bytes: int, spared: str | None = None) -> int:
        """Give up parked caches but that of `spared` until `size_bytes` are held.

        Returns:
            How many bytes that frees.
        """
        before_bytes = self.parked_bytes
        self._parking.shrink_to(size_bytes, spared=spared)
        return before_bytes - self.parked_bytes

    def parked_bytes_beside(self, key: str) -> int:
        """Of all parked caches but that of `key`."""
        parked = self._parking.peek(key)
        return self.parked_bytes - (parked.size_bytes if parked else 0)

    def switch_bytes(self, key: str) -> int:
        """Memory that turning to `key` takes: what is live then is parked as a copy."""
        if self._key in (key, None) or not self.token_ids:
            return 0
        checkpoints = sum(len(each.state) for each in self._checkpoints)
        return checkpoints + self.context.used_bytes(len(self.token_ids))

    def give_up_live(self) -> None:
        """Empty the context without a copy in memory; what is on disk comes back from there."""
        if self._key is not None:
            self._evicted.add(self._key)
            self._clear()
            self._key = None

    def close(self) -> None:
        self._parking.clear()
        self._forget_all()
        self.context.close()

    def _loss_of(self, key: str) -> CacheLoss:
        """Why nothing was held for a key that was just looked for."""
        if self.disk is not None and self.disk.loss:
            return self.disk.loss
        return CacheLoss.EVICTED if key in self._evicted else CacheLoss.UNKNOWN

    def _evict(self, key: str, parked: ParkedCache[SavedCache]) -> None:
        self._evicted.add(key)
        self._save(key, parked, lambda: False, is_leaving=True)

    def _save(
        self,
        key: str,
        parked: ParkedCache[SavedCache],
        gives_way: Callable[[], bool],
        is_leaving: bool,
    ) -> None:
        size_bytes = 0 if is_leaving else parked.size_bytes
        if self.disk is not None and self.disk.lacks(key, parked.token_ids, size_bytes):
            self.disk.save(key, pack_cache(parked.token_ids, parked.kv_cache), gives_way)

    def _park(self) -> None:
        if self._key is None or not self.token_ids:
            return
        saved = self._saved()
        if saved is not None:
            cache = ParkedCache(list(self.token_ids), saved, saved.size_bytes)
            self._parking.park(self._key, cache)

    def _saved(self) -> SavedCache | None:
        state = self.context.state() if self.token_ids else None
        return None if state is None else SavedCache(state, tuple(self._checkpoints))

    def _restore_best(self, key: str, prompt_ids: list[int]) -> tuple[list[int], CacheSource]:
        """Make the cache live that has most to offer.

        Returns:
            The tokens that the cache of `key` itself held, and where the live one comes from.
        """
        own, source = self._take_own(key)
        best_key, best = key, own
        usable_tokens = self._usable_tokens(own, prompt_ids) if own else 0
        for other_key, other in self._parking.newest_first():
            if (tokens := self._usable_tokens(other, prompt_ids)) > usable_tokens:
                best_key, best, usable_tokens = other_key, other, tokens
        if best is None or best_key != self._key:  # else it is still live
            self._clear()
            if best is not None and self.context.restore(best.kv_cache.state):
                self.token_ids = list(best.token_ids)
                self._checkpoints = list(best.kv_cache.checkpoints)
        held_ids = own.token_ids if own else []
        return held_ids, source if best is own else CacheSource.OTHER

    def _take_own(self, key: str) -> tuple[ParkedCache[SavedCache] | None, CacheSource]:
        if (parked := self._parking.take(key)) is not None:
            return parked, CacheSource.MEMORY
        if self.disk is None or (content := self.disk.load(key)) is None:
            return None, CacheSource.NONE
        if (saved := unpack_cache(content)) is None:
            self.disk.forget(key)
            self.disk.loss = CacheLoss.OUTDATED
            return None, CacheSource.NONE
        return ParkedCache(list(content.token_ids), saved, saved.size_bytes), CacheSource.DISK

    def _usable_tokens(self, cache: ParkedCache[SavedCache], prompt_ids: list[int]) -> int:
        shared = min(common_prefix_length(cache.token_ids, prompt_ids), len(prompt_ids) - 1)
        if self.can_rewind or shared == len(cache.token_ids):
            return shared
        checkpoint = _last_within(cache.kv_cache.checkpoints, shared)
        return checkpoint.length_tokens if checkpoint else 0

    def _forget_beyond(self, length: int) -> None:
        del self.token_ids[length:]
        self._checkpoints = [each for each in self._checkpoints if each.length_tokens <= length]
        self._held = _last_within(self._latest(), length)

    def _forget_all(self) -> None:
        self.token_ids = []
        self._checkpoints = []
        self._held = None

    def _latest(self) -> list[Checkpoint]:
        return [] if self._held is None else [self._held]

    def _clear(self) -> None:
        self.context.clear()
        self._forget_all()


def _last_within(checkpoints: Iterable[Checkpoint], length: int) -> Checkpoint | None:
    earlier = (each for each in checkpoints if each.length_tokens <= length)
    return max(earlier, key=lambda each: each.length_tokens, default=None)
