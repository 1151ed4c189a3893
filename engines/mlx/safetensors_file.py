"""Checks a safetensors file by its header, without reading the weights."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.errors import ModelLoadError

_MAX_HEADER_BYTES = 100_000_000
_ELEMENT_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F4": 4,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
}


def read_stored_bytes(path: Path) -> Counter[str]:
    """Bytes of tensor data in the file, by element type.

    Format: 8 bytes with the length of a JSON object, the object, the data; the tensors' ranges
    must fit their shapes and fill the data.

    Raises:
        ModelLoadError: the file is damaged, cut off, or not there in full.
    """
    header, header_bytes = _read_header(path)
    stored: Counter[str] = Counter()
    try:
        for entry in _tensors(header):
            stored[entry["dtype"]] += _tensor_bytes(entry)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path) from error
    if 8 + header_bytes + stored.total() != path.stat().st_size:
        raise _damaged(path)
    return stored


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor as it is stored, by name.

    Raises:
        ModelLoadError: the header is damaged or not there in full.
    """
    header, _ = _read_header(path)
    try:
        return {
            name: tuple(int(length) for length in entry["shape"])
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path) from error


def read_sizes(path: Path) -> dict[str, int]:
    """Bytes of every tensor, by name.

    Raises:
        ModelLoadError: the header is damaged or not there in full.
    """
    header, _ = _read_header(path)
    try:
        return {
            name: _tensor_bytes(entry) for name, entry in header.items() if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path) from error


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON object, and its length in bytes."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        length_bytes = file.read(8)
        if length_bytes.startswith(b"version "):
            raise ModelLoadError(
                f"{path.name} is a Git LFS pointer, not the weights.", "Run git lfs pull."
            )
        header_bytes = int.from_bytes(length_bytes, "little")
        if len(length_bytes) < 8 or header_bytes > min(size_bytes - 8, _MAX_HEADER_BYTES):
            raise _damaged(path)
        text = file.read(header_bytes)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(header, dict):
        raise _damaged(path)
    return header, header_bytes


def _tensors(header: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (entry for name, entry in header.items() if name != "__metadata__")


def _tensor_bytes(entry: dict[str, Any]) -> int:
    begin, end = entry["data_offsets"]
    bits = math.prod(entry["shape"]) * _ELEMENT_BITS[entry["dtype"]]
    if begin < 0 or (end - begin) * 8 != bits:
        raise ValueError("the range does not fit the shape")
    return int(end - begin)


def _damaged(path: Path) -> ModelLoadError:
    return ModelLoadError(
        f"{path.name} is damaged or not completely downloaded.", "Download the model again."
    )
