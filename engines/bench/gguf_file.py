"""Writes GGUF files: metadata taken over from another file, tensors as they come.

Format: the GGUF specification in the ggml repository (`docs/gguf.md`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.model_files.ggml_types import GGML_TYPES
from engines.model_files.gguf_bytes import GgufBytes

ALIGNMENT = 32
_UINT32, _FLOAT32, _STRING = 4, 6, 8


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """A tensor to write; `shape` is in GGML's order, fastest dimension first."""

    name: str
    shape: tuple[int, ...]
    type_id: int

    @property
    def size_bytes(self) -> int:
        rows = 1
        for size in self.shape[1:]:
            rows *= size
        return rows * GGML_TYPES[self.type_id].row_bytes(self.shape[0])


def read_encoded_metadata(path: Path) -> dict[str, bytes]:
    """Every value of a GGUF file's metadata as it stands in the file, its type number first."""
    encoded: dict[str, bytes] = {}
    with path.open("rb") as file, path.open("rb") as values:
        source = GgufBytes(file, path.stat().st_size)
        source.u32(), source.u32(), source.u64()
        for _ in range(source.u64()):
            key, start = source.string(), source.position
            source.value()
            values.seek(start)
            encoded[key] = values.read(source.position - start)
    return encoded


def encode_value(value: int | float | str) -> bytes:
    """A metadata value with its type number: an unsigned integer, a float or a string."""
    match value:
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
        case str():
            return struct.pack("<I", _STRING) + _string(value)


def write_gguf(
    path: Path,
    metadata: Mapping[str, bytes],
    tensors: Sequence[TensorPlan],
    content: Callable[[TensorPlan], Iterator[bytes]],
) -> None:
    """Write a whole file, tensor by tensor; `content` gives each one's bytes."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(_header(metadata, tensors))
        file.write(bytes(-file.tell() % ALIGNMENT))
        for tensor in tensors:
            start = file.tell()
            file.writelines(content(tensor))
            if file.tell() - start != tensor.size_bytes:
                raise ValueError(f"{tensor.name} has {file.tell() - start} bytes")
            file.write(bytes(-tensor.size_bytes % ALIGNMENT))
    partial.replace(path)


def _header(metadata: Mapping[str, bytes], tensors: Sequence[TensorPlan]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    parts += [_string(key) + value for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        dimensions = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        parts.append(_string(tensor.name) + dimensions + struct.pack("<IQ", tensor.type_id, offset))
        offset += tensor.size_bytes + -tensor.size_bytes % ALIGNMENT
    return b"".join(parts)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded
