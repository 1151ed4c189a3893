"""Models in the Hugging Face cache, found by its layout.

    models--ORG--NAME/refs/main                  the commit that `main` meant
    models--ORG--NAME/snapshots/COMMIT/FILE      a link to blobs/CHECKSUM

Source: "Understand caching" in the documentation of huggingface_hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from engines.model_files.finding.folder_description import describe_folder, is_model_folder
from engines.model_files.finding.folder_models import describe_group
from engines.model_files.finding.found_model import FoundModel, Source
from engines.model_files.finding.gguf_files import group_gguf_files, short_label, walk_folders

_COMMIT = re.compile(r"[0-9a-f]{5,40}")
_PREFIX = "models--"


def find_in_hugging_face_cache(cache: Path) -> Iterator[FoundModel]:
    """Every model of the newest snapshot of each repository."""
    for folder in repository_folders(cache):
        snapshot = newest_snapshot(folder)
        if snapshot is not None:
            yield from _models_in(snapshot, repository_name(folder))


def repository_folders(cache: Path) -> list[Path]:
    try:
        return sorted(folder for folder in cache.iterdir() if folder.name.startswith(_PREFIX))
    except OSError:
        return []


def repository_name(folder: Path) -> str:
    """`Qwen/Qwen3-8B` of `models--Qwen--Qwen3-8B`."""
    return folder.name.removeprefix(_PREFIX).replace("--", "/", 1)


def repository_folder(cache: Path, repository: str) -> Path:
    return cache / (_PREFIX + repository.replace("/", "--"))


def newest_snapshot(folder: Path) -> Path | None:
    """The snapshot of `main`, else the one that was downloaded last."""
    snapshots = folder / "snapshots"
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        if _COMMIT.fullmatch(commit) and (snapshots / commit).is_dir():
            return snapshots / commit
    except (OSError, ValueError):
        pass
    try:
        found = [child for child in snapshots.iterdir() if child.is_dir()]
        return max(found, key=lambda child: child.stat().st_mtime, default=None)
    except OSError:
        return None


def _models_in(snapshot: Path, repository: str) -> Iterator[FoundModel]:
    if is_model_folder(snapshot):
        yield describe_folder(snapshot, Source.HUGGING_FACE, repository, repository)
    groups = [group for _, paths in walk_folders(snapshot) for group in group_gguf_files(paths)]
    for group in groups:
        reference = f"{repository}:{short_label(group.files[0], groups)}"
        found = describe_group(group, Source.HUGGING_FACE, reference, reference)
        if found is not None:
            yield found
