"""A copied KV cache, as bytes for a file and back."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from engines.kv.cache_file import CacheContent

State = ctypes.Array[ctypes.c_uint8]
"""The library's own copy of a sequence's memory."""

_CHECKPOINTS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What cannot be cut, as it was when the cache held `length_tokens` tokens."""

    length_tokens: int
    state: State


@dataclass(frozen=True, slots=True)
class SavedCache:
    """A whole cache, with the places it can go back to where it cannot be cut anywhere."""

    state: State
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def size_bytes(self) -> int:
        return len(self.state) + sum(len(each.state) for each in self.checkpoints)


def pack_cache(token_ids: Sequence[int], cache: SavedCache) -> CacheContent:
    """The state first, then the last checkpoints."""
    checkpoints = cache.checkpoints[-_CHECKPOINTS_KEPT:]
    parts = [
        memoryview(state).cast("B") for state in (cache.state, *(c.state for c in checkpoints))
    ]
    note = [checkpoint.length_tokens for checkpoint in checkpoints]
    return CacheContent(list(token_ids), note, [part.nbytes for part in parts], parts)


def unpack_cache(content: CacheContent) -> SavedCache | None:
    """The cache that `content` was packed from; None where it is of another make."""
    states = [(ctypes.c_uint8 * part.nbytes).from_buffer(part) for part in content.parts]
    if not states or not isinstance(content.note, list) or len(content.note) != len(states) - 1:
        return None
    checkpoints = zip(content.note, states[1:], strict=True)
    return SavedCache(states[0], tuple(Checkpoint(length, state) for length, state in checkpoints))
