"""Reads the values of a GGUF header from an untrusted file, never past its end."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from engines.errors import ModelLoadError

MAX_HEADER_BYTES = 256 * 2**20
MAX_ARRAY_ELEMENTS = 512
_READ_BYTES = 2**20
_STRING, _ARRAY = 8, 9
_U64 = struct.Struct("<Q")
_SCALARS = {
    type_id: struct.Struct("<" + code)
    for type_id, code in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}

GgufScalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufArray:
    """Stands for an array too long to be kept, such as the vocabulary."""

    type_id: int
    length: int


GgufValue = GgufScalar | tuple[GgufScalar, ...] | GgufArray


class GgufBytes:
    """A cursor over the header of `file`.

    Args:
        file: Opened for reading at its beginning.
        size_bytes: Of the whole file; nothing in it can reach further.

    Every method raises ModelLoadError where the file ends too early or a type is unknown.
    """

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self.position = 0
        self._file = file
        self._size_bytes = size_bytes
        self._loaded = bytearray()

    @property
    def remaining_bytes(self) -> int:
        return self._size_bytes - self.position

    def peek(self, length: int) -> bytes:
        """The next bytes, at most `length`, without moving on."""
        self._load(self.position + min(length, self.remaining_bytes))
        return bytes(self._loaded[self.position : self.position + length])

    def u32(self) -> int:
        return int(self._unpack(_SCALARS[4]))

    def u64(self) -> int:
        return int(self._unpack(_U64))

    def string(self) -> str:
        length = self.u64()
        start = self.position
        self._move(length)
        return self._loaded[start : self.position].decode("utf-8", "replace")

    def value(self) -> GgufValue:
        """A type number and the value behind it."""
        type_id = self.u32()
        return self._array() if type_id == _ARRAY else self._scalar(type_id)

    def count(self, smallest_bytes: int, what: str) -> int:
        """A number of things that take at least `smallest_bytes` each and must fit in the file."""
        count = self.u64()
        if count * smallest_bytes > self.remaining_bytes:
            raise damaged(f"it announces {count:,} {what}, more than it can hold")
        return count

    def _array(self) -> tuple[GgufScalar, ...] | GgufArray:
        type_id = self.u32()
        if type_id == _STRING:
            count = self.count(8, "strings")
        elif type_id in _SCALARS:
            count = self.count(_SCALARS[type_id].size, "values")
        else:
            raise damaged(f"it holds an array of type {type_id}, which does not exist")
        if count <= MAX_ARRAY_ELEMENTS:
            return tuple(self._scalar(type_id) for _ in range(count))
        if type_id == _STRING:
            self._skip_strings(count)
        else:
            self._move(count * _SCALARS[type_id].size)
        return GgufArray(type_id, count)

    def _scalar(self, type_id: int) -> GgufScalar:
        if type_id == _STRING:
            return self.string()
        if type_id not in _SCALARS:
            raise damaged(f"it holds a value of type {type_id}, which does not exist")
        return self._unpack(_SCALARS[type_id])

    def _skip_strings(self, count: int) -> None:
        """Local names and one test per string: a vocabulary has hundreds of thousands of them."""
        position, loaded, length_at = self.position, self._loaded, _U64.unpack_from
        for _ in range(count):
            if position + 8 > len(loaded):
                self._load(position + 8)
            position += 8 + length_at(loaded, position)[0]
        self._load(position)
        self.position = position

    def _unpack(self, layout: struct.Struct) -> GgufScalar:
        start = self.position
        self._move(layout.size)
        value: GgufScalar = layout.unpack_from(self._loaded, start)[0]
        return value

    def _move(self, length: int) -> None:
        self._load(self.position + length)
        self.position += length

    def _load(self, end: int) -> None:
        if end <= len(self._loaded):
            return
        if end > self._size_bytes:
            raise damaged("it ends in the middle of its header")
        if end > MAX_HEADER_BYTES:
            raise damaged(f"its header is larger than {MAX_HEADER_BYTES >> 20} MB")
        missing = max(end - len(self._loaded), _READ_BYTES)
        self._loaded += self._file.read(missing)
        if end > len(self._loaded):
            raise damaged("it ends in the middle of its header")


def damaged(reason: str) -> ModelLoadError:
    return ModelLoadError(
        f"The model file is damaged: {reason}.", "Download it again, or choose another file."
    )
