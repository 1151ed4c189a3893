"""Takes a model off the disk, and leaves alone what other programs keep books of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.errors import ModelLoadError
from engines.model_files.finding.found_model import FoundModel, ModelFormat, Source
from engines.model_files.finding.stored_files import total_bytes


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes away with a model.

    Args:
        paths: Files and folders to discard.
        links: Links to them, which are worth nothing alone.
        note: What else this means, in a sentence; may be empty.
    """

    model: FoundModel
    paths: tuple[Path, ...]
    links: tuple[Path, ...] = ()
    note: str = ""

    @property
    def size_bytes(self) -> int:
        return total_bytes(
            file
            for path in self.paths
            for file in ([path] if path.is_file() else path.rglob("*"))
            if file.is_file() and not file.is_symlink()
        )


def plan_removal(model: FoundModel, models: Sequence[FoundModel]) -> Removal:
    """What to discard for `model`, so that none of the other `models` suffers.

    Raises:
        ModelLoadError: it is not this program's to remove; the hint says whose.
    """
    if model.source is Source.EMBEDDED:
        raise ModelLoadError(f"{model.name} is part of this program.", "It cannot be removed.")
    if model.source is Source.OLLAMA:
        raise ModelLoadError(
            f"{model.name} belongs to Ollama, which would go on listing it.",
            f"Remove it with: ollama rm {model.name}",
        )
    if model.source is Source.HUGGING_FACE:
        return _from_cache(model, models)
    note = "LM Studio will no longer have it." if model.source is Source.LM_STUDIO else ""
    if model.format is ModelFormat.SAFETENSORS:
        return Removal(model, (model.path,), note=note)
    return Removal(model, model.files, note=note)


def remove_model(removal: Removal, discard: Callable[[Path], None]) -> None:
    """Discard the files, then the links that pointed at them.

    Args:
        discard: Moves a file or folder to the trash, or deletes it.

    Raises:
        OSError: `discard` could not; what was not reached is still there.
    """
    for path in removal.paths:
        discard(path)
    for link in removal.links:
        link.unlink(missing_ok=True)


def delete_for_good(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _from_cache(model: FoundModel, models: Sequence[FoundModel]) -> Removal:
    """The whole repository where it holds nothing else, else the blobs of this model alone."""
    repository = _repository_of(model.path)
    others = [other for other in models if other is not model]
    if not any(other.path.is_relative_to(repository) for other in others):
        return Removal(model, (repository,), note="Other programs share this cache.")
    kept = {file.resolve() for other in others for file in other.files}
    blobs = [file.resolve() for file in model.files]
    return Removal(
        model,
        tuple(blob for blob in blobs if blob not in kept),
        tuple(file for file in model.files if file.is_symlink()),
        "Other programs share this cache.",
    )


def _repository_of(path: Path) -> Path:
    """`models--ORG--NAME` above a path in it."""
    for folder in (path, *path.parents):
        if folder.parent.name == "snapshots":
            return folder.parent.parent
    raise ModelLoadError(f"{path} is not in a cache of the usual layout.", "Remove it by hand.")
