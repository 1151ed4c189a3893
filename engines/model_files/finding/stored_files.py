"""Sizes and times of files, and small JSON files, from folders that nobody vouches for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_MAX_JSON_BYTES = 64 * 2**20


def total_bytes(files: Iterable[Path]) -> int:
    """Of those that can be looked at."""
    return sum(status.st_size for file in files if (status := _status(file)) is not None)


def last_used(files: Iterable[Path]) -> float | None:
    """When any of them was last read or written; file systems may keep the former rarely."""
    times = [
        max(status.st_atime, status.st_mtime)
        for file in files
        if (status := _status(file)) is not None
    ]
    return max(times, default=None)


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in the file; an empty one where there is none."""
    try:
        if not path.is_file() or path.stat().st_size > _MAX_JSON_BYTES:
            return {}
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _status(file: Path) -> Any:
    try:
        return file.stat()
    except OSError:
        return None
