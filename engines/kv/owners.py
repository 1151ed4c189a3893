"""Whose a KV cache is: a key names an owner, a slash, and what tells the owner's caches apart."""

from __future__ import annotations


def all_of(owner: str) -> str:
    """Stands for every key of `owner`, where caches are to be forgotten."""
    return f"{owner}/"


def is_meant(key: str, by: str) -> bool:
    """True if `by` is `key`, or stands for all keys of its owner."""
    return key == by or (by.endswith("/") and key.startswith(by))
