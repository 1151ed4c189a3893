"""What a GGUF file is, from the first part of its header."""

from __future__ import annotations

import re
from pathlib import Path

from engines.model_files.finding.found_model import FoundModel, ModelFormat, Source
from engines.model_files.finding.quantization_label import quantization_label
from engines.model_files.finding.stored_files import last_used, total_bytes
from engines.model_files.ggml_types import FILE_TYPES
from engines.model_files.gguf import read_header, read_opening
from engines.model_files.gguf_bytes import GgufValue

_SIZE = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)([KMBT])\b", re.IGNORECASE)
_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_NOT_MODELS = ("adapter", "mmproj", "imatrix", "vocab")
_ENCODERS = ("clip", "bert", "nomic-bert", "jina-bert-v2", "t5encoder", "wavtokenizer-dec")
_MLX_ARCHITECTURES = ("llama", "qwen2", "qwen3")
_MLX_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1")


class NotAModel(Exception):
    """The file is part of something else: an adapter, a projector, an importance matrix."""


def describe_gguf(
    files: tuple[Path, ...],
    source: Source,
    reference: str,
    name: str = "",
    label: str = "",
    projectors: tuple[Path, ...] = (),
    adapters: tuple[Path, ...] = (),
) -> FoundModel:
    """A model of one GGUF file or of all the files of a split one.

    Args:
        name: What to show; by default the file's name.
        label: What tells the quantization where the header does not; by default the file's name.

    Raises:
        NotAModel: the file says that it is something else.
        ModelNotFound, ModelLoadError: the header is not readable.
    """
    first = files[0]
    opening = read_opening(first)
    architecture = _text(opening, "general.architecture")
    if _text(opening, "general.type") in _NOT_MODELS or architecture in _ENCODERS:
        raise NotAModel(architecture)
    quantization = quantization_label(label or first.name) or _recipe(opening)
    reads_mlx = (
        architecture in _MLX_ARCHITECTURES
        and len(files) == 1
        and (_recipe(opening) or quantization) in _MLX_TYPES
    )
    return FoundModel(
        name=name or first.stem,
        reference=reference,
        path=first,
        source=source,
        format=ModelFormat.GGUF,
        files=files,
        size_bytes=total_bytes(files),
        family=architecture,
        parameters=_parameters(opening, files),
        quantization=quantization,
        context_window_tokens=_whole(opening, f"{architecture}.context_length"),
        engines=("llama.cpp", "mlx") if reads_mlx else ("llama.cpp",),
        last_used_s=last_used(files),
        projectors=projectors,
        adapters=adapters,
    )


def parameters_from_name(name: str) -> int | None:
    """8 billion of `Qwen3-8B`, 46.7 of `8x5.8B`: what the name says, not a count."""
    match = _SIZE.search(name)
    if match is None:
        return None
    experts, size, unit = match.groups()
    return round(int(experts or 1) * float(size) * _UNITS[unit.upper()])


def _parameters(opening: dict[str, GgufValue], files: tuple[Path, ...]) -> int | None:
    """As the file says or as it is called; counted, which takes longer, only where neither does."""
    count = _whole(opening, "general.parameter_count")
    label = _text(opening, "general.size_label")
    told = count or parameters_from_name(label) or parameters_from_name(files[0].stem)
    return told or sum(read_header(file).parameters for file in files)


def _recipe(opening: dict[str, GgufValue]) -> str:
    file_type = _whole(opening, "general.file_type")
    return FILE_TYPES.get(file_type, "") if file_type is not None else ""


def _text(opening: dict[str, GgufValue], key: str) -> str:
    value = opening.get(key, "")
    return value[:120] if isinstance(value, str) else ""


def _whole(opening: dict[str, GgufValue], key: str) -> int | None:
    value = opening.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
