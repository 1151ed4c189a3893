"""Models that lie in a folder, whatever its layout: GGUF files and model folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from engines.errors import ModelLoadError, ModelNotFound
from engines.model_files.finding.folder_description import describe_folder, is_model_folder
from engines.model_files.finding.found_model import FoundModel, ModelFormat, Source
from engines.model_files.finding.gguf_description import (
    NotAModel,
    describe_gguf,
)
from engines.model_files.finding.gguf_files import (
    GgufGroup,
    group_gguf_files,
    model_stem,
    walk_folders,
)
from engines.model_files.finding.quantization_label import quantization_label
from engines.model_files.finding.stored_files import last_used, total_bytes

Name = Callable[[Path], tuple[str, str]]
"""From a model's file or folder to its name and its reference."""


def find_in_folder(
    root: Path, source: Source = Source.FOLDER, name: Name | None = None
) -> Iterator[FoundModel]:
    """Every model under `root`; a broken one says so in its `problem`."""
    name = name or _by_path
    for folder, paths in walk_folders(root):
        if is_model_folder(folder):
            shown, reference = name(folder)
            yield describe_folder(folder, source, reference, shown)
        for group in group_gguf_files(paths):
            shown, reference = name(group.files[0])
            found = describe_group(group, source, reference, shown)
            if found is not None:
                yield found


def describe_group(
    group: GgufGroup, source: Source, reference: str, name: str, adapters: tuple[Path, ...] = ()
) -> FoundModel | None:
    """The group as a model; None where it is not one."""
    problem = f"{group.missing} of its files are missing." if group.missing else ""
    try:
        found = describe_gguf(
            group.files, source, reference, name, projectors=group.projectors, adapters=adapters
        )
    except NotAModel:
        return None
    except (ModelLoadError, ModelNotFound) as error:
        return broken_model(group.files, source, reference, name, problem or error.message)
    return found if not problem else broken_model(group.files, source, reference, name, problem)


def broken_model(
    files: tuple[Path, ...], source: Source, reference: str, name: str, problem: str
) -> FoundModel:
    """A GGUF model that cannot be used, and why."""
    return FoundModel(
        name=name or files[0].stem,
        reference=reference,
        path=files[0],
        source=source,
        format=ModelFormat.GGUF,
        files=files,
        size_bytes=total_bytes(files),
        quantization=quantization_label(files[0].name),
        last_used_s=last_used(files),
        problem=problem,
    )


def _by_path(path: Path) -> tuple[str, str]:
    return model_stem(path) if path.suffix.lower() == ".gguf" else path.name, str(path)
