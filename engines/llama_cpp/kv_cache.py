"""The KV caches of several conversations on one context, and what a prompt can keep of them."""

from __future__ import annotations

from collections.abc import Sequence

from engines.kv.parking import CacheParking, ParkedCache
from engines.kv.prefix import common_prefix_length
from engines.llama_cpp.context import Context, State


class SequenceCache:
    """One conversation's cache is live in the context; the others are parked in RAM.

    `token_ids` always says exactly what the context holds.

    Args:
        context: Used by nothing else.
        can_rewind: False where a cache can only be continued, never cut (recurrent layers).
        parking_budget_bytes: RAM for parked caches at most.
    """

    def __init__(self, context: Context, can_rewind: bool, parking_budget_bytes: int) -> None:
        self.context = context
        self.token_ids: list[int] = []
        self._can_rewind = can_rewind
        self._key: str | None = None
        self._parking: CacheParking[State] = CacheParking(parking_budget_bytes)

    @property
    def parked_bytes(self) -> int:
        return self._parking.size_bytes

    def switch(self, key: str, token_ids: Sequence[int]) -> int:
        """Make the cache of `key` live and cut it to what it shares with `token_ids`.

        A key without a cache of its own continues a copy of the one that shares most.

        Returns:
            Tokens that need no prefill; always fewer than there are, because the last one has to
            be decoded for its logits.
        """
        if key != self._key:
            self._park()
            self._restore_best(key, token_ids)
            self._key = key
        shared = common_prefix_length(self.token_ids, list(token_ids))
        self.truncate(max(0, min(shared, len(token_ids) - 1)))
        return len(self.token_ids)

    def decode(self, token_ids: Sequence[int], output_rows: int) -> None:
        """One pass over the next tokens; an error empties the context."""
        try:
            self.context.decode(token_ids, len(self.token_ids), output_rows)
        except Exception:
            self.token_ids = []
            self.context.discard()
            raise
        self.token_ids += token_ids

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens; none where this cache cannot be cut."""
        if length >= len(self.token_ids):
            return
        if length and self.context.drop_from(length):
            del self.token_ids[length:]
        else:
            self._clear()

    def keep_prefix_of(self, token_ids: Sequence[int]) -> None:
        """Drop what does not belong to the sequence `token_ids`."""
        self.truncate(common_prefix_length(self.token_ids, list(token_ids)))

    def forget(self, key: str) -> None:
        self._parking.take(key)
        if key == self._key:
            self._clear()
            self._key = None

    def close(self) -> None:
        self._parking.clear()
        self.token_ids = []
        self.context.close()

    def _park(self) -> None:
        if self._key is None or not self.token_ids:
            return
        state = self.context.state()
        if state is not None:
            self._parking.park(self._key, ParkedCache(list(self.token_ids), state, len(state)))

    def _restore_best(self, key: str, token_ids: Sequence[int]) -> None:
        best = self._parking.longest_match(token_ids)
        source = best[0] if best and self._can_rewind else key
        if source != self._key:  # else the live cache is the best, and it is still here
            self._restore(source)
        self._parking.take(key)

    def _restore(self, key: str) -> None:
        cache = self._parking.peek(key)
        self._clear()
        if cache is not None and self.context.restore(cache.kv_cache):
            self.token_ids = list(cache.token_ids)

    def _clear(self) -> None:
        self.context.clear()
        self.token_ids = []
