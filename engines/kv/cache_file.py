"""The file format of a KV cache that waits on disk.

    magic 8 bytes, format version u32, header length u32    little-endian
    header                                                  JSON, UTF-8
    token ids                                               u32 each
    parts                                                   the engine's bytes, one after another
    digest 32 bytes                                         SHA-256, see `_Digest`

The header holds the identity (whose cache this is: model, tokenizer, engine, library, type), the
number of tokens, the length of every part, and the engine's own note on what the parts are. A file
whose identity, length or digest is not what it should be is never handed to a native library.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Self

MAGIC = b"LLMTUIKV"
FORMAT_VERSION = 1
_START = struct.Struct("<8sII")
_HEADER_BYTES_MAX = 4 * 2**20
_BLOCK_BYTES = 8 * 2**20
_DIGEST_BYTES = 32
_HASHING_THREADS = min(4, os.cpu_count() or 1)

Identity = Mapping[str, str]
"""Everything that must be equal for the bytes to mean the same."""


class DamagedCacheFile(Exception):
    """The file is cut, altered, foreign, or of another model or version."""


class ForeignCacheFile(DamagedCacheFile):
    """The file is whole as far as one can tell, and of another model or version."""


class WriteGaveWay(Exception):
    """Something more urgent came up while a file was being written."""


@dataclass(frozen=True, slots=True)
class CacheContent:
    """What an engine keeps of a cache.

    Args:
        token_ids: The tokens it holds, exactly.
        note: The engine's description of `parts`; plain JSON values.
        part_bytes: Length of each part.
        parts: Bytes, in the engine's own layout; may be made one by one, while they are written.
    """

    token_ids: Sequence[int]
    note: Any
    part_bytes: Sequence[int]
    parts: Iterable[memoryview]

    @property
    def size_bytes(self) -> int:
        return sum(self.part_bytes)


def write_cache_file(
    file: BinaryIO,
    identity: Identity,
    content: CacheContent,
    gives_way: Callable[[], bool] = lambda: False,
) -> None:
    """Write `content`; `gives_way` is asked between blocks of 8 MiB.

    Raises:
        OSError: the disk is full or fails.
        WriteGaveWay: `gives_way` said so; the file is incomplete.
    """
    header = {
        "identity": dict(identity),
        "token_count": len(content.token_ids),
        "part_bytes": list(content.part_bytes),
        "note": content.note,
    }
    encoded = json.dumps(header, separators=(",", ":")).encode()
    beginning = _START.pack(MAGIC, FORMAT_VERSION, len(encoded)) + encoded
    blocks = chain([memoryview(beginning + _packed(content.token_ids))], _blocks(content.parts))
    with _Digest() as digest:
        for block in blocks:
            if gives_way():
                raise WriteGaveWay
            digest.add(block)
            file.write(block)
        file.write(digest.value())


def read_cache_file(path: Path, identity: Identity) -> CacheContent:
    """The content of a file that is whole and of this identity. Its parts are writable memory.

    Raises:
        DamagedCacheFile, ForeignCacheFile: it is not.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_START.size)
        if len(start) < _START.size:
            raise DamagedCacheFile("cut short")
        magic, version, header_bytes = _START.unpack(start)
        if magic != MAGIC or version != FORMAT_VERSION or header_bytes > _HEADER_BYTES_MAX:
            raise DamagedCacheFile("not a file of this format")
        encoded = file.read(header_bytes)
        token_count, part_bytes, note = _checked_header(encoded, identity)
        expected = _START.size + header_bytes + 4 * token_count + sum(part_bytes) + _DIGEST_BYTES
        if size != expected:
            raise DamagedCacheFile("cut short, or too long")
        packed_ids = file.read(4 * token_count)
        with _Digest() as digest:
            digest.add(memoryview(start + encoded + packed_ids))
            parts = [_read_part(file, length, digest) for length in part_bytes]
            if file.read(_DIGEST_BYTES) != digest.value():
                raise DamagedCacheFile("altered")
    return CacheContent(_unpacked(packed_ids), note, part_bytes, parts)


def _checked_header(encoded: bytes, identity: Identity) -> tuple[int, list[int], Any]:
    """Token count, length of each part, and the engine's note."""
    try:
        header = json.loads(encoded)
        token_count, part_bytes = header["token_count"], header["part_bytes"]
        is_ours = header["identity"] == dict(identity)
        lengths = [token_count, *part_bytes]
        if not all(type(length) is int and length >= 0 for length in lengths):
            raise ValueError
        note = header["note"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedCacheFile("unreadable header") from error
    if not is_ours:
        raise ForeignCacheFile("of another model or version")
    return token_count, part_bytes, note


def _read_part(file: BufferedReader, length: int, digest: _Digest) -> memoryview:
    part = memoryview(bytearray(length))
    for block in _blocks([part]):
        if file.readinto(block) != block.nbytes:
            raise DamagedCacheFile("cut short")
        digest.add(block)
    return part


def _blocks(parts: Iterable[memoryview]) -> Iterator[memoryview]:
    for part in parts:
        for start in range(0, part.nbytes, _BLOCK_BYTES):
            yield part[start : start + _BLOCK_BYTES]


class _Digest:
    """SHA-256 over the SHA-256 of every block: other cores hash while this one reads or writes."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_HASHING_THREADS, "kv-digest")
        self._blocks: list[Future[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def add(self, block: memoryview) -> None:
        """Take the next block, which must not change until `value` is asked for."""
        self._blocks.append(self._pool.submit(_sha256, block))

    def value(self) -> bytes:
        return _sha256(b"".join(block.result() for block in self._blocks))


def _sha256(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).digest()


def _packed(token_ids: Sequence[int]) -> bytes:
    values = array("I", token_ids)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _unpacked(packed: bytes) -> list[int]:
    values = array("I")
    values.frombytes(packed)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()
