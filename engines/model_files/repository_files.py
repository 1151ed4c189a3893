"""Which files of a repository make a model."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath

from engines.errors import DownloadError, ModelNotFound
from engines.memory import size_text
from engines.model_files.finding.quantization_label import (
    PREFERRED_QUANTIZATIONS,
    quantization_label,
)

_WEIGHTS = "model*.safetensors"
_ADAPTER = ("adapters.safetensors", "adapter_config.json")
_FOLDER_FILES = (_WEIGHTS, "*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """One file of a commit.

    Args:
        checksum: SHA-256 of the contents for a file in large file storage, else Git's SHA-1.
    """

    path: str
    size_bytes: int
    checksum: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def is_usable(self) -> bool:
        """False for what could leave the folder that it is meant for."""
        parts = PurePosixPath(self.path).parts
        is_inside = bool(parts) and not ({"..", "/", "."} & set(parts)) and "\\" not in self.path
        return is_inside and "\0" not in self.path and bool(_HEX.fullmatch(self.checksum))


@dataclass(frozen=True, slots=True)
class Repository:
    name: str
    commit: str
    files: tuple[RepositoryFile, ...]


def choose_files(repository: Repository, quantization: str = "") -> list[RepositoryFile]:
    """The files to download: of one GGUF model, or of a model folder; small ones first.

    Args:
        quantization: The GGUF model to take; without it the folder, or the usual one.

    Raises:
        ModelNotFound: there is no such quantization; the hint names those that are there.
        DownloadError: there is no model that an engine here could run.
    """
    usable = [file for file in repository.files if file.is_usable]
    models = gguf_models(usable)
    if quantization:
        return _named(repository, models, quantization)
    adapter = [file for file in usable if file.path in _ADAPTER]
    folder = _folder_files(usable) or (adapter if len(adapter) == len(_ADAPTER) else [])
    if folder:
        return folder
    if models:
        return models[min(models, key=lambda label: _preference(label, models[label]))]
    raise DownloadError(
        f"{repository.name} holds neither GGUF files nor a model folder with config.json and"
        " model.safetensors, nor an adapter of MLX's.",
        "Look for a version of the model that ends in -GGUF or comes from mlx-community.",
    )


def gguf_models(files: Sequence[RepositoryFile]) -> dict[str, list[RepositoryFile]]:
    """The GGUF models by quantization, with all files of a split one; projectors left out."""
    models: dict[str, list[RepositoryFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        name = file.name.lower()
        if not name.endswith(".gguf") or "mmproj" in name or "imatrix" in name:
            continue
        stem = _SPLIT.sub("", file.name).removesuffix(".gguf")
        models.setdefault(quantization_label(file.name) or stem, []).append(file)
    return {label: _one_model(found) for label, found in models.items()}


def _one_model(files: list[RepositoryFile]) -> list[RepositoryFile]:
    """Where several whole files have one label, the one with the shortest name."""
    whole = [file for file in files if not _SPLIT.search(file.name)]
    return [min(whole, key=lambda file: len(file.path))] if whole else files


def _named(
    repository: Repository, models: dict[str, list[RepositoryFile]], quantization: str
) -> list[RepositoryFile]:
    wanted = quantization.lower()
    for label, files in models.items():
        if wanted in (label.lower(), _SPLIT.sub("", files[0].name).removesuffix(".gguf").lower()):
            return files
    if not models:
        raise ModelNotFound(
            f"{repository.name} holds no GGUF files, so no {quantization}.",
            f"Download it whole: llm-tui models pull {repository.name}",
        )
    near = difflib.get_close_matches(quantization.upper(), models, n=1)
    sizes = [
        f"{label} ({size_text(sum(file.size_bytes for file in files))})"
        for label, files in models.items()
    ]
    hint = f"Did you mean {near[0]}? " if near else ""
    raise ModelNotFound(
        f"{repository.name} has no {quantization}.", f"{hint}It has: {', '.join(sizes[:12])}."
    )


def _folder_files(files: Sequence[RepositoryFile]) -> list[RepositoryFile]:
    """Those that mlx_lm reads; never program code. None without configuration and weights."""
    top = [
        file
        for file in files
        if file.name == file.path and any(fnmatch(file.name, kind) for kind in _FOLDER_FILES)
    ]
    names = {file.name for file in top}
    if "config.json" not in names or not any(fnmatch(name, _WEIGHTS) for name in names):
        return []
    return sorted(top, key=lambda file: (fnmatch(file.name, _WEIGHTS), file.path))


def _preference(label: str, files: list[RepositoryFile]) -> tuple[int, int]:
    known = PREFERRED_QUANTIZATIONS
    size_bytes = sum(file.size_bytes for file in files)
    return known.index(label) if label in known else len(known), size_bytes
