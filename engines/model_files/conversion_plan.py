"""What a conversion makes of a model, checked before anything is read."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from engines.errors import ModelLoadError, NotEnoughMemory
from engines.memory import size_text
from engines.model_files.finding.folder_description import is_model_folder
from engines.model_files.finding.gguf_files import model_stem
from engines.model_files.finding.quantization_label import quantization_label
from engines.model_files.finding.stored_files import total_bytes
from engines.model_files.ggml_types import FILE_TYPES
from engines.model_files.gguf import GgufHeader
from engines.model_files.gguf_split import read_split_headers
from engines.model_files.locate import locate_model
from engines.model_files.reference import ModelReference, ReferenceKind

MIXED_RECIPES = ("mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6")
GGUF_TYPES = (
    "F16",
    "BF16",
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q5_K_S",
    "Q5_0",
    "Q5_1",
    "Q4_K_M",
    "Q4_K_S",
    "Q4_0",
    "Q4_1",
    "IQ4_NL",
    "IQ4_XS",
    "Q3_K_L",
    "Q3_K_M",
    "Q3_K_S",
    "Q2_K",
)
"""Those that need no importance matrix."""
_WHOLE_TYPES = ("F32", "F16", "BF16")
_GOOD_SOURCES = (*_WHOLE_TYPES, "Q8_0")
_SPARE_BYTES = 256 * 2**20
_DENSE_BYTES = 2


@dataclass(frozen=True, slots=True)
class MlxRecipe:
    """How to write an MLX folder.

    Args:
        bits: None leaves the weights as they are.
        mixed: One of `MIXED_RECIPES`, in place of one number of bits for all.
    """

    bits: int | None = 4
    group_size: int = 64
    mixed: str = ""

    @property
    def bits_per_weight(self) -> float:
        """At most, with a scale and a bias of 16 bits for each group."""
        bits = int(self.mixed[-1]) if self.mixed else self.bits
        return 16.0 if bits is None else bits + 32 / self.group_size

    @property
    def name(self) -> str:
        return self.mixed or (f"{self.bits}bit" if self.bits else "fp16")


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """From `source` to `output`.

    Args:
        target: The recipe of an MLX folder, or the type of a GGUF file (`Q4_K_M`).
        note: What to know about the result, in a sentence; may be empty.
    """

    source: Path
    output: Path
    target: MlxRecipe | str
    note: str = ""


def plan_conversion(
    model: str, target: MlxRecipe | str, folder: Path, output: Path | None = None
) -> ConversionPlan:
    """Check source, output, memory and disk.

    Args:
        model: Any name of a model that is on this machine.
        folder: Where the result goes unless `output` says it.

    Raises:
        ModelNotFound: the model is not here.
        ModelLoadError: it cannot be converted so, or the output exists.
        NotEnoughMemory: memory or disk would not do.
    """
    to_mlx = isinstance(target, MlxRecipe)
    source = locate_model(model, "" if to_mlx else "llama.cpp")
    name = target.name if isinstance(target, MlxRecipe) else f"{target}.gguf"
    output = output or folder / f"{base_name(model, source)}-{name}"
    if output.exists():
        raise ModelLoadError(f"{output} exists already.", "Remove it, or name another --output.")
    if source.is_dir():
        plan = _plan_from_folder(source, output, target)
    else:
        plan = _plan_from_gguf(source, output, target)
    return plan


def base_name(model: str, source: Path) -> str:
    """What to call the results: the model's name without quantization and format."""
    reference = ModelReference.parse(model)
    if reference.kind in (ReferenceKind.REPOSITORY, ReferenceKind.LM_STUDIO):
        name = reference.name.partition(":")[0].rpartition("/")[2]
    elif reference.kind is ReferenceKind.OLLAMA:
        name = re.sub(r"[/:]", "-", reference.name)
    else:
        name = source.name if source.is_dir() else model_stem(source)
    label = quantization_label(name)
    if label and name.upper().endswith(label):
        name = name[: -len(label)]
    return re.sub(r"[-_.]?(gguf|mlx)?[-_.]*$", "", name, flags=re.IGNORECASE) or "model"


def _plan_from_folder(source: Path, output: Path, target: MlxRecipe | str) -> ConversionPlan:
    if not is_model_folder(source):
        raise ModelLoadError(
            f"{source} is no model folder.", "Give a folder with config.json and safetensors."
        )
    if isinstance(target, str):
        raise ModelLoadError(
            "llama-cpp-python cannot make a GGUF file from safetensors: llama.cpp does that with"
            " a script that is not part of the library.",
            "Download a GGUF version (llm-tui models pull REPO:F16) and convert that.",
        )
    size_bytes = total_bytes(source.glob("*.safetensors"))
    made_bytes = round(size_bytes * target.bits_per_weight / 16)
    _check_room(output, made_bytes + size_bytes // 8, made_bytes)
    return ConversionPlan(source, output, target)


def _plan_from_gguf(source: Path, output: Path, target: MlxRecipe | str) -> ConversionPlan:
    headers = read_split_headers(source)
    parameters = sum(header.parameters for header in headers)
    quantization = headers[0].quantization
    note = ""
    if quantization not in _WHOLE_TYPES:
        note = f"The source is {quantization}: the result is a little worse than from F16."
    if isinstance(target, MlxRecipe):
        made_bytes = round(parameters * target.bits_per_weight / 8)
        stored_bytes = sum(header.weights_bytes for header in headers)
        _check_room(output, stored_bytes + parameters * _DENSE_BYTES + made_bytes, made_bytes)
        return ConversionPlan(source, output, target, note)
    _check_gguf_target(headers[0], quantization, target)
    _check_room(output, 0, sum(header.weights_bytes for header in headers))
    return ConversionPlan(source, output, target, note)


def _check_gguf_target(header: GgufHeader, quantization: str, target: str) -> None:
    if target not in GGUF_TYPES or target not in FILE_TYPES.values():
        raise ModelLoadError(
            f"A GGUF file cannot be written in {target} here.",
            f"Choose one of: {', '.join(GGUF_TYPES)}.",
        )
    if quantization == target:
        raise ModelLoadError(f"The model is {target} already.", "Choose another quantization.")
    if quantization not in _GOOD_SOURCES:
        raise ModelLoadError(
            f"The source is {quantization}; quantizing it once more would spoil it.",
            "Start from an F16, BF16 or Q8_0 file (llm-tui models pull REPO:Q8_0).",
        )
    if header.split_count > 1:
        raise ModelLoadError(
            "A split GGUF file cannot be quantized here.", "Start from a file that is whole."
        )


def _check_room(output: Path, memory_bytes: int, disk_bytes: int) -> None:
    available_bytes = psutil.virtual_memory().available
    if memory_bytes > available_bytes:
        raise NotEnoughMemory(
            f"The conversion takes up to {size_text(memory_bytes)} of memory and"
            f" {size_text(available_bytes)} are free.",
            "Close other programs, or download a model that is quantized already.",
        )
    existing = next(folder for folder in output.absolute().parents if folder.exists())
    free_bytes = shutil.disk_usage(existing).free
    if disk_bytes + _SPARE_BYTES > free_bytes:
        raise NotEnoughMemory(
            f"The result takes up to {size_text(disk_bytes)} and {size_text(free_bytes)} are free"
            " on the disk.",
            "Free some space, or name an --output on another disk.",
        )
