"""Models that are split over several GGUF files."""

from __future__ import annotations

import re
from pathlib import Path

from engines.errors import ModelLoadError
from engines.model_files.gguf import GgufHeader, read_header

_SPLIT_NAME = re.compile(r"^(?P<prefix>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")
_SPLITS_MAX = 1_000


def read_split_headers(path: Path) -> list[GgufHeader]:
    """The headers of all files of the model that begins with `path`; one for a whole model.

    Raises:
        ModelNotFound, ModelLoadError: as `read_header`; also where `path` is not the first file,
            or another file is missing.
    """
    first = read_header(path)
    if first.split_count == 1:
        return [first]
    name = _SPLIT_NAME.match(path.name)
    if name is None or first.split_count > _SPLITS_MAX:
        raise ModelLoadError(
            f"{path.name} is one of {first.split_count} files of a model and has been renamed.",
            "Give the files their names back: NAME-00001-of-00003.gguf and so on.",
        )
    paths = [
        path.with_name(f"{name['prefix']}-{number:05d}-of-{first.split_count:05d}.gguf")
        for number in range(1, first.split_count + 1)
    ]
    if path != paths[0]:
        raise ModelLoadError(
            f"{path.name} is not the first file of its model.", f"Name {paths[0].name} instead."
        )
    if missing := [split.name for split in paths if not split.exists()]:
        raise ModelLoadError(
            f"The model is split over {first.split_count} files and {missing[0]} is missing.",
            "Download all of them into one folder.",
        )
    return [first, *(read_header(split) for split in paths[1:])]
