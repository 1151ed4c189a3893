"""Room for a turn: a context's KV cache is set aside whole, what is parked beside it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engines.errors import NotEnoughMemory
from engines.llama_cpp.devices import FreeMemory
from engines.llama_cpp.kv_cache import SequenceCache
from engines.turn_memory import TurnNeed, plan_turn


def make_room(
    cache_key: str,
    caches: Sequence[SequenceCache],
    find_free_memory: Callable[[], FreeMemory],
) -> str:
    """Give up parked caches where turning to `cache_key` would not fit beside them.

    Where even that is not enough, what is live now is given up instead of parked. What is on disk
    comes back from there.

    Returns:
        A note on what was given up; empty where nothing was.
    """
    copied_bytes = sum(cache.switch_bytes(cache_key) for cache in caches)
    if not copied_bytes:
        return ""
    need = TurnNeed(
        prompt_tokens=0,
        answer_tokens=0,
        kv_bytes_per_token=0,
        copied_bytes=copied_bytes,
        parked_bytes=sum(cache.parked_bytes_beside(cache_key) for cache in caches),
    )
    try:
        plan = plan_turn(need, find_free_memory().ram_bytes)
    except NotEnoughMemory:
        for cache in caches:
            cache.shrink_to(0, cache_key)
            cache.give_up_live()
        return "to fit into memory, the KV caches of other conversations were given up"
    shortage = need.parked_bytes - plan.parked_bytes
    for cache in caches:
        parked_bytes = cache.parked_bytes_beside(cache_key)
        shortage -= cache.shrink_to(max(0, parked_bytes - max(0, shortage)), cache_key)
    return plan.note
