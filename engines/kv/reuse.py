"""What a prompt found in the KV cache, so that somebody can say why it was not more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CacheSource(StrEnum):
    """Where the reused tokens come from."""

    NONE = "none"
    MEMORY = "memory"
    DISK = "disk"
    OTHER = "other"
    """The cache of another key, which shares more with the prompt."""


class CacheLoss(StrEnum):
    """Why the cache of a key is gone, as far as that is known."""

    UNKNOWN = ""
    EVICTED = "evicted"
    """It was given up for want of room."""
    DAMAGED = "damaged"
    """Its file on disk was cut, altered or of another format."""
    OUTDATED = "outdated"
    """Its file on disk was made with another model file, engine or release of its library."""


@dataclass(frozen=True, slots=True)
class CacheReuse:
    """Token counts.

    Args:
        held_tokens: What the cache of the request's own key held when the prompt came.
        matching_tokens: How many of those the prompt begins with; the first that differs is at
            this position.
        reused_tokens: What needs no prefill; less than `matching_tokens` where a cache cannot go
            back to an earlier token, more where another conversation's cache had more to offer.
        source: Where those come from.
        loss: Why the cache of this key holds nothing, where that is known.
    """

    held_tokens: int
    matching_tokens: int
    reused_tokens: int
    source: CacheSource
    loss: CacheLoss = CacheLoss.UNKNOWN
