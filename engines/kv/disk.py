"""KV caches on disk: they outlive the process, under a quota."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from engines.kv.cache_file import (
    CacheContent,
    DamagedCacheFile,
    ForeignCacheFile,
    Identity,
    WriteGaveWay,
    read_cache_file,
    write_cache_file,
)
from engines.kv.owners import is_meant
from engines.kv.reuse import CacheLoss

DEFAULT_QUOTA_BYTES = 16 * 2**30
_KEPT_FREE_BYTES = 2**30
_LARGE_BYTES = 256 * 2**20
_SUFFIX = ".kv"
_UNFINISHED_SUFFIX = ".writing"
_ABANDONED_S = 600.0
_WORTH_KEEPING_TOKENS = 16

log = logging.getLogger(__name__)


class DiskParking:
    """The files of one loaded model's KV caches, one for each key.

    Nothing here raises: a cache that cannot be kept or read is prefilled anew.

    Args:
        folder: Shared by all models; created with the first file, for the user alone.
        identity: Of the model, its tokenizer, the engine, its library and the KV cache's type. A
            file of another identity is dropped.
        place: What tells this model's files from those of others (a name; need not be unique
            beyond that).
        quota_bytes: Of the whole folder; the files used longest ago go first.

    Attributes:
        loss: Why the last `load` dropped a file.
    """

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        place: str,
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
    ) -> None:
        self._folder = folder
        self._identity = dict(identity)
        self._place = _short_hash(place)
        self._quota_bytes = quota_bytes
        self.loss = CacheLoss.UNKNOWN
        self._kept: dict[str, tuple[int, bytes]] = {}

    def lacks(self, key: str, token_ids: Sequence[int], size_bytes: int = 0) -> bool:
        """True if the file of `key` should be written: it does not hold exactly these tokens.

        Args:
            size_bytes: Where given, a large cache need not be written for every short turn: only
                when an eighth of it is new.
        """
        kept_tokens, kept_hash = self._kept.get(key, (0, b""))
        if size_bytes > _LARGE_BYTES and 0 <= len(token_ids) - kept_tokens < len(token_ids) / 8:
            return False
        return kept_hash != _ids_hash(token_ids)

    def save(
        self, key: str, content: CacheContent, gives_way: Callable[[], bool] = lambda: False
    ) -> bool:
        """Write the cache of `key`; False where the disk or something more urgent prevents it."""
        if len(content.token_ids) < _WORTH_KEEPING_TOKENS:
            return False
        path = self.path_of(key)
        unfinished = path.with_suffix(f".{os.getpid()}{_UNFINISHED_SUFFIX}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._make_room(content.size_bytes, path):
                return False
            _write(unfinished, self._identity | {"key": key}, content, gives_way)
            unfinished.replace(path)
        except (OSError, WriteGaveWay) as error:
            log.info("a KV cache was not kept: %r", error)
            unfinished.unlink(missing_ok=True)
            return False
        self._kept[key] = len(content.token_ids), _ids_hash(content.token_ids)
        return True

    def load(self, key: str) -> CacheContent | None:
        """The cache of `key`; a file that is damaged or of another model is removed."""
        path, self.loss = self.path_of(key), CacheLoss.UNKNOWN
        try:
            content = read_cache_file(path, self._identity | {"key": key})
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, DamagedCacheFile, MemoryError) as error:
            log.info("a KV cache was dropped: %r", error)
            is_foreign = isinstance(error, ForeignCacheFile)
            self.loss = CacheLoss.OUTDATED if is_foreign else CacheLoss.DAMAGED
            self.forget(key)
            return None
        self._kept[key] = len(content.token_ids), _ids_hash(content.token_ids)
        return content

    def forget(self, key: str) -> None:
        """Remove the file of `key`; with a closing slash, those of its owner for all models."""
        for known in [each for each in self._kept if is_meant(each, key)]:
            del self._kept[known]
        if key.endswith("/"):
            forget_owner(self._folder, key[:-1])
            return
        try:
            self.path_of(key).unlink(missing_ok=True)
        except OSError as error:
            log.info("a KV cache could not be removed: %r", error)

    def path_of(self, key: str) -> Path:
        """Begins with a hash of the key's owner: what stands before its first slash."""
        return self._folder / f"{_owner_hash(key)}-{_short_hash(key)}-{self._place}{_SUFFIX}"

    def _make_room(self, size_bytes: int, replaced: Path) -> bool:
        """Remove what was used longest ago; False if the cache is too large all the same."""
        files = sorted(
            (status.st_mtime, status.st_size, path)
            for path in self._folder.iterdir()
            if path != replaced and (status := path.stat()) and _is_ours(path, status.st_mtime)
        )
        used_bytes = sum(size for _, size, _ in files)
        if size_bytes > self._quota_bytes:
            return False
        for _, size, path in files:
            free_bytes = shutil.disk_usage(self._folder).free
            if (
                used_bytes + size_bytes <= self._quota_bytes
                and size_bytes + _KEPT_FREE_BYTES <= free_bytes
            ):
                break
            path.unlink(missing_ok=True)
            used_bytes -= size
        return size_bytes + _KEPT_FREE_BYTES <= shutil.disk_usage(self._folder).free


def forget_owner(folder: Path, owner: str) -> None:
    """Remove every cache whose key begins with `owner` and a slash."""
    try:
        for path in folder.glob(f"{_owner_hash(owner)}-*{_SUFFIX}"):
            path.unlink(missing_ok=True)
    except OSError as error:
        log.info("KV caches could not be removed: %r", error)


def _write(
    path: Path, identity: Identity, content: CacheContent, gives_way: Callable[[], bool]
) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        write_cache_file(file, identity, content, gives_way)


def _is_ours(path: Path, modified_s: float) -> bool:
    """A cache, or what a killed process left of one."""
    if path.suffix == _SUFFIX:
        return True
    return path.suffix == _UNFINISHED_SUFFIX and time.time() - modified_s > _ABANDONED_S


def _owner_hash(key: str) -> str:
    return _short_hash(key.partition("/")[0])


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _ids_hash(token_ids: Sequence[int]) -> bytes:
    return hashlib.sha256(array("I", token_ids).tobytes()).digest()
