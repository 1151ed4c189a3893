"""Models in LM Studio's folder: `PUBLISHER/REPO/FILE.gguf` and `PUBLISHER/REPO/config.json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engines.model_files.finding.folder_models import find_in_folder
from engines.model_files.finding.found_model import FoundModel, Source
from engines.model_files.finding.gguf_files import group_gguf_files, model_stem, short_label

PREFIX = "lmstudio:"


def find_in_lm_studio(root: Path) -> Iterator[FoundModel]:
    def name(path: Path) -> tuple[str, str]:
        shown = _name(path, root)
        return shown, PREFIX + shown

    return find_in_folder(root, Source.LM_STUDIO, name)


def _name(path: Path, root: Path) -> str:
    """`PUBLISHER/REPO:QUANT` for a GGUF file, `PUBLISHER/REPO` for a folder."""
    if path.suffix.lower() != ".gguf":
        return path.relative_to(root).as_posix()
    folder = path.parent.relative_to(root).as_posix()
    label = short_label(path, group_gguf_files(path.parent.iterdir()))
    return f"{folder}:{label}" if folder != "." else model_stem(path)
