"""What a GGUF file says about itself, without a native library and without its weights.

Format: the GGUF specification in the ggml repository (`docs/gguf.md`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from engines.errors import ModelLoadError, ModelNotFound
from engines.model_files.ggml_types import FILE_TYPES, GGML_TYPES
from engines.model_files.gguf_bytes import GgufBytes, GgufValue, damaged
from engines.model_files.gguf_limits import check_hyperparameters

Read = TypeVar("Read")

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_DIMENSIONS = 4
_MAX_KEYS = 65_536
_MAX_TENSORS = 262_144
_VOCABULARY_KEYS = ("tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.merges")
_NOT_GGUF = {
    b"version https://git-lfs": "is a Git LFS pointer, not the model itself: run git lfs pull",
    b"<!doctype": "is a web page, not a model",
    b"<html": "is a web page, not a model",
    b"tjgg": "has an old GGML format from before GGUF",
    b"lmgg": "has an old GGML format from before GGUF",
    b"fmgg": "has an old GGML format from before GGUF",
}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """`shape` is in GGML's order, fastest dimension first; `offset` counts from the data."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    type_name: str
    offset: int
    size_bytes: int

    @property
    def parameters(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class GgufHeader:
    """The header of one GGUF file.

    Args:
        metadata: Scalars, strings and arrays of at most 512 elements; a longer array is there as
            a `GgufArray` without its elements.
        data_offset: Where the tensor data begin in the file.
    """

    version: int
    metadata: dict[str, GgufValue]
    tensors: tuple[GgufTensor, ...]
    data_offset: int

    @property
    def architecture(self) -> str:
        return self.text("general.architecture")

    @property
    def name(self) -> str:
        return self.text("general.name")

    @property
    def chat_template(self) -> str:
        return self.text("tokenizer.chat_template")

    @property
    def context_window_tokens(self) -> int | None:
        return self.number("context_length")

    @property
    def block_count(self) -> int | None:
        return self.number("block_count")

    @property
    def split_count(self) -> int:
        """Files that the model is split into; 1 for a whole one."""
        value = self.metadata.get("split.count", 1)
        return value if isinstance(value, int) and value > 0 else 1

    @property
    def split_index(self) -> int:
        value = self.metadata.get("split.no", 0)
        return value if isinstance(value, int) else 0

    @cached_property
    def parameters(self) -> int:
        """Elements of all tensors in this file."""
        return sum(tensor.parameters for tensor in self.tensors)

    @cached_property
    def weights_bytes(self) -> int:
        """Bytes of all tensors in this file."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @cached_property
    def weights_bytes_per_token(self) -> int:
        """Bytes of this file read per decoded token: of all experts, only those that are used."""
        used, experts = self.number("expert_used_count"), self.number("expert_count")
        expert_bytes = sum(t.size_bytes for t in self.tensors if "_exps" in t.name)
        if not used or not experts or used >= experts:
            return self.weights_bytes
        return self.weights_bytes - expert_bytes + expert_bytes * used // experts

    @cached_property
    def quantization(self) -> str:
        """The recipe's name (`Q4_K_M`) where it agrees with the tensors, else their main type."""
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.type_name] += tensor.size_bytes
        main = sizes.most_common(1)[0][0] if sizes else ""
        file_type = self.metadata.get("general.file_type")
        recipe = FILE_TYPES.get(file_type, "") if isinstance(file_type, int) else ""
        return recipe if main and recipe.startswith(main) else main

    def text(self, key: str) -> str:
        """The string at `key`, or an empty one."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """The whole number at `key` of the model's own architecture, or None."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) else None


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of a GGUF file; takes milliseconds and little memory.

    Raises:
        ModelNotFound: there is no such file.
        ModelLoadError: it is not a GGUF file, is damaged or cut off, or has values known to crash
            the library that would load it.
    """
    return _read_file(path, _read)


def read_opening(path: Path) -> dict[str, GgufValue]:
    """What a GGUF file says about itself before its vocabulary, whose length then costs nothing.

    Files are written with the general keys first, then those of the architecture, then the
    tokenizer's.

    Raises:
        ModelNotFound, ModelLoadError: as `read_header`, as far as is read.
    """
    return _read_file(path, _read_opening)


def _read_file(path: Path, read: Callable[[GgufBytes], Read]) -> Read:
    if path.is_dir():
        raise ModelLoadError(f"{path} is a folder, not a GGUF file.", "Name the file in it.")
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise ModelLoadError(f"{path.name} is not a regular file.", "Choose another file.")
    try:
        with path.open("rb") as file:
            return read(GgufBytes(file, path.stat().st_size))
    except FileNotFoundError as error:
        raise ModelNotFound(f"There is no file {path}.", "Check the path.") from error
    except OSError as error:
        raise ModelLoadError(
            f"{path.name} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error
    except ModelLoadError as error:
        raise ModelLoadError(
            error.message.replace("The model file", path.name, 1), error.hint
        ) from error


def _read_counts(source: GgufBytes) -> tuple[int, int, int]:
    """Version, tensors and metadata keys."""
    _check_magic(source)
    source.u32()
    version = _read_version(source)
    tensor_count = source.count(24, "tensors")
    key_count = source.count(13, "metadata keys")
    if tensor_count > _MAX_TENSORS or key_count > _MAX_KEYS:
        raise damaged(f"it announces {tensor_count:,} tensors and {key_count:,} keys")
    return version, tensor_count, key_count


def _read_opening(source: GgufBytes) -> dict[str, GgufValue]:
    _, _, key_count = _read_counts(source)
    metadata: dict[str, GgufValue] = {}
    for _ in range(key_count):
        key = source.string()
        if key.startswith(_VOCABULARY_KEYS):
            break
        metadata[key] = source.value()
    architecture = metadata.get("general.architecture", "")
    check_hyperparameters(architecture if isinstance(architecture, str) else "", metadata)
    return metadata


def _read(source: GgufBytes) -> GgufHeader:
    version, tensor_count, key_count = _read_counts(source)
    metadata = _read_metadata(source, key_count)
    infos = [_read_tensor(source) for _ in range(tensor_count)]
    alignment = _alignment(metadata)
    data_offset = -(-source.position // alignment) * alignment
    data_bytes = source.position + source.remaining_bytes - data_offset
    for tensor in infos:
        if tensor.offset % alignment or tensor.offset + tensor.size_bytes > data_bytes:
            raise damaged(f"the tensor {tensor.name} lies outside the file; it may be cut off")
    header = GgufHeader(version, metadata, tuple(infos), data_offset)
    check_hyperparameters(header.architecture, metadata)
    return header


def _check_magic(source: GgufBytes) -> None:
    start = source.peek(64)
    if not start:
        raise ModelLoadError("The model file is empty.", "Download it again.")
    if start.startswith(_MAGIC):
        return
    beginning = start.lstrip().lower()
    for mark, reason in _NOT_GGUF.items():
        if beginning.startswith(mark):
            raise ModelLoadError(f"The model file {reason}.", "Download the GGUF file itself.")
    raise ModelLoadError(
        "The model file is not a GGUF file.", "Choose a file that ends in .gguf, or an MLX folder."
    )


def _read_version(source: GgufBytes) -> int:
    version = source.u32()
    if version in _VERSIONS:
        return version
    if int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS:
        raise ModelLoadError(
            "The model file is written for big-endian machines.", "Get the little-endian version."
        )
    raise ModelLoadError(
        f"The model file has GGUF version {version}, which is not known.",
        "Update llm-tui, or convert the model again.",
    )


def _read_metadata(source: GgufBytes, count: int) -> dict[str, GgufValue]:
    metadata: dict[str, GgufValue] = {}
    for _ in range(count):
        key = source.string()
        if key in metadata:
            raise damaged(f"the key {key[:80]} occurs twice")
        metadata[key] = source.value()
    return metadata


def _read_tensor(source: GgufBytes) -> GgufTensor:
    name = source.string()[:80]
    dimensions = source.u32()
    if dimensions > _MAX_DIMENSIONS:
        raise damaged(f"the tensor {name} has {dimensions} dimensions")
    shape = tuple(source.u64() for _ in range(dimensions))
    type_id, offset = source.u32(), source.u64()
    element = GGML_TYPES.get(type_id)
    if element is None:
        raise ModelLoadError(
            f"The model file stores the tensor {name} in type {type_id}, which is not known.",
            "Update llm-tui, or choose another quantization.",
        )
    if 0 in shape or (shape and shape[0] % element.block_elements):
        raise damaged(f"the tensor {name} has the impossible shape {shape}")
    size_bytes = element.row_bytes(math.prod(shape))
    return GgufTensor(name, shape, type_id, element.name, offset, size_bytes)


def _alignment(metadata: dict[str, GgufValue]) -> int:
    value = metadata.get("general.alignment", 32)
    if not isinstance(value, int) or not 8 <= value <= 2**20 or value & (value - 1):
        raise damaged("its alignment is not a power of two")
    return value
