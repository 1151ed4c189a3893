"""Whether a model on disk is still the one that a KV cache was made with."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_SAMPLE_BYTES = 2**20
_SPLIT_NAME = re.compile(r"^(.+)-\d{5}-of-(\d{5})\.gguf$")
_MODEL_SUFFIXES = (".safetensors", ".json", ".gguf")


def model_identity(path: Path) -> str:
    """SHA-256, in hexadecimal, over name, size, time and both ends of each of the model's files.

    Reads two MiB a file and no more, so it is quick for a model of any size; weights that were
    written anew change their time.
    """
    digest = hashlib.sha256()
    for file in _files(path):
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        with file.open("rb") as opened:
            digest.update(opened.read(_SAMPLE_BYTES))
            opened.seek(max(0, status.st_size - _SAMPLE_BYTES))
            digest.update(opened.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in _MODEL_SUFFIXES)
    if split := _SPLIT_NAME.match(path.name):
        name, count = re.escape(split[1]), split[2]
        of_the_split = re.compile(rf"^{name}-\d{{5}}-of-{count}\.gguf$")
        return sorted(file for file in path.parent.iterdir() if of_the_split.match(file.name))
    return [path]
