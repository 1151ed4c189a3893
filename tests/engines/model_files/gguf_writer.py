"""Writes small GGUF files, correct ones and others."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

UINT32, FLOAT32, STRING, ARRAY = 4, 6, 8, 9
F32, Q8_0 = 0, 8


def string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def value(content: object) -> bytes:
    """A type number and the value of an int, float, str, or list of them."""
    match content:
        case int():
            return struct.pack("<II", UINT32, content)
        case float():
            return struct.pack("<If", FLOAT32, content)
        case str():
            return struct.pack("<I", STRING) + string(content)
        case list():
            elements = [value(element) for element in content]
            head = elements[0][:4] if elements else struct.pack("<I", UINT32)
            body = b"".join(element[4:] for element in elements)
            return struct.pack("<I", ARRAY) + head + struct.pack("<Q", len(content)) + body
        case _:
            raise TypeError(content)


def tensor(name: str, shape: Sequence[int], type_id: int = F32, offset: int = 0) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return string(name) + dimensions + struct.pack("<IQ", type_id, offset)


def gguf(
    metadata: Mapping[str, object],
    tensors: Sequence[bytes] = (),
    data_bytes: int = 0,
    version: int = 3,
) -> bytes:
    """A whole file: header, padding to 32 bytes, and `data_bytes` zeros."""
    values = {key: value(content) for key, content in metadata.items()}
    return gguf_raw(values, tensors, bytes(data_bytes), version)


def gguf_raw(
    values: Mapping[str, bytes], tensors: Sequence[bytes], data: bytes, version: int = 3
) -> bytes:
    """The same from values that are bytes already, as `value` makes them."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    head += b"".join(string(key) + content for key, content in values.items())
    head += b"".join(tensors)
    return head + bytes(-len(head) % 32) + data
