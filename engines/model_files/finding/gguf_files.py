"""The GGUF files of one folder, put together to models."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.model_files.finding.quantization_label import quantization_label

_SPLIT_NAME = re.compile(r"^(?P<prefix>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.I)
_PROJECTOR_NAME = re.compile(r"mmproj", re.I)
_MAX_DEPTH = 8
_MAX_FOLDERS = 20_000


@dataclass(frozen=True, slots=True)
class GgufGroup:
    """Files that make one model.

    Args:
        missing: Files of a split model that are not there.
        projectors: Vision and audio projectors that lie beside it.
    """

    files: tuple[Path, ...]
    missing: int = 0
    projectors: tuple[Path, ...] = ()


def group_gguf_files(paths: Iterable[Path]) -> list[GgufGroup]:
    """One group for each model among `paths`, which lie in one folder."""
    gguf = sorted(path for path in paths if path.suffix.lower() == ".gguf")
    projectors = tuple(path for path in gguf if _PROJECTOR_NAME.search(path.name))
    splits: dict[tuple[str, int], list[Path]] = {}
    groups = []
    for path in gguf:
        if path in projectors:
            continue
        if match := _SPLIT_NAME.match(path.name):
            splits.setdefault((match["prefix"], int(match["count"])), []).append(path)
        else:
            groups.append(GgufGroup((path,), 0, projectors))
    for (_, count), files in splits.items():
        groups.append(GgufGroup(tuple(files), max(0, count - len(files)), projectors))
    return groups


def short_label(path: Path, beside: Iterable[GgufGroup]) -> str:
    """What tells the model at `path` from those `beside` it: its quantization, or its name."""
    label = quantization_label(path.name)
    same = [group for group in beside if quantization_label(group.files[0].name) == label]
    return label if label and len(same) <= 1 else model_stem(path)


def model_stem(path: Path) -> str:
    """The file's name without its ending and, for a split model, without its number."""
    match = _SPLIT_NAME.match(path.name)
    return match["prefix"] if match else path.stem


def walk_folders(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Every folder under `root` with its files; links are followed, and nothing twice."""
    waiting, seen = [(root, 0)], set[tuple[int, int]]()
    while waiting and len(seen) < _MAX_FOLDERS:
        folder, depth = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                entries = [entry for entry in listing if not entry.name.startswith(".")]
        except OSError:
            continue
        yield folder, [Path(entry.path) for entry in entries if not _is_folder(entry)]
        if depth < _MAX_DEPTH:
            waiting += [(Path(entry.path), depth + 1) for entry in entries if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
