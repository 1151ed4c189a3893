"""What an MLX or Hugging Face model folder is, from its small files."""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from pathlib import Path
from typing import Any

from engines.errors import ModelLoadError
from engines.mlx.safetensors_file import read_shapes
from engines.model_files.finding.found_model import FoundModel, ModelFormat, Source
from engines.model_files.finding.stored_files import last_used, read_json_object, total_bytes
from engines.model_files.foreign_formats import why_unusable

_RENAMED = {
    "mistral": "llama",
    "llava": "mistral3",
    "phi-msft": "phixtral",
    "falcon_mamba": "mamba",
    "joyai_llm_flash": "deepseek_v3",
    "kimi_k2": "deepseek_v3",
    "qwen2_5_vl": "qwen2_vl",
    "minimax_m2": "minimax",
    "iquestcoder": "llama",
    "xverse": "llama",
    "gemma4_unified": "gemma4",
    "deepseek_v41_text": "deepseek_v41",
}
"""Architectures that mlx_lm runs under another's name (`MODEL_REMAPPING` in mlx_lm/utils.py)."""


def is_model_folder(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def describe_folder(folder: Path, source: Source, reference: str, name: str = "") -> FoundModel:
    """A model of `config.json` and safetensors files; what is wrong with it stands in `problem`."""
    config = read_json_object(folder / "config.json")
    files = tuple(sorted(folder.glob("*.safetensors")))
    text = config.get("text_config")
    text = text if isinstance(text, dict) else config
    family = str(config.get("model_type") or "")[:120]
    problem = _problem(folder, config, files) or _architecture_problem(family)
    parameters = None
    try:
        if all(file.is_file() for file in files):
            parameters = _count_parameters(files, config)
    except (ModelLoadError, OSError) as error:
        problem = problem or (error.message if isinstance(error, ModelLoadError) else str(error))
    return FoundModel(
        name=name or folder.name,
        reference=reference,
        path=folder,
        source=source,
        format=ModelFormat.SAFETENSORS,
        files=files,
        size_bytes=total_bytes(files),
        family=family,
        parameters=parameters,
        quantization=folder_quantization(config),
        context_window_tokens=_whole(text.get("max_position_embeddings")),
        engines=() if problem else ("mlx",),
        last_used_s=last_used(files),
        problem=problem,
    )


def folder_quantization(config: dict[str, Any]) -> str:
    """`4-bit`, `4/6-bit` for a mixed recipe, the method's name, or the weights' type."""
    settings = config.get("quantization") or config.get("quantization_config")
    if not isinstance(settings, dict):
        stored = config.get("torch_dtype") or config.get("dtype") or ""
        return {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}.get(str(stored), "")
    layers = [layer for layer in settings.values() if isinstance(layer, dict)]
    bits = [layer.get("bits") for layer in layers] or [settings.get("bits")]
    numbers = sorted({value for value in bits if isinstance(value, int)})
    method = str(settings.get("mode") or settings.get("quant_method") or "affine")
    if method not in ("affine", "quantized"):
        return method[:40]
    return "/".join(str(number) for number in numbers) + "-bit" if numbers else method


def _problem(folder: Path, config: dict[str, Any], files: tuple[Path, ...]) -> str:
    if not config:
        return "Its config.json cannot be read."
    index = read_json_object(folder / "model.safetensors.index.json").get("weight_map", {})
    names = {str(name) for name in index.values()} if isinstance(index, dict) else set()
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        return f"{len(missing)} of its {len(names)} weight files are missing."
    if not all(file.is_file() for file in files):
        return "Its download is not finished."
    if reason := why_unusable(config):
        return f"It is quantized with {reason} Choose an MLX or a GGUF version."
    if not (folder / "tokenizer.json").is_file():
        return "It has no tokenizer.json."
    return ""


def _architecture_problem(family: str) -> str:
    known = _known_architectures()
    if not known or _RENAMED.get(family, family) in known:
        return ""
    return f"mlx_lm does not know the architecture {family or 'of its config.json'}."


@cache
def _known_architectures() -> frozenset[str]:
    """By the files of mlx_lm, which is not imported; none where it is not installed."""
    package = importlib.util.find_spec("mlx_lm")
    if package is None or not package.submodule_search_locations:
        return frozenset()
    models = Path(package.submodule_search_locations[0]) / "models"
    return frozenset(file.stem for file in models.glob("*.py"))


def _count_parameters(files: tuple[Path, ...], config: dict[str, Any]) -> int:
    """Elements of all tensors; packed ones are counted by their scales, one for each group."""
    settings = config.get("quantization")
    settings = settings if isinstance(settings, dict) else {}
    count = 0
    for file in files:
        shapes = read_shapes(file)
        for name, shape in shapes.items():
            stem, _, kind = name.rpartition(".")
            scales = shapes.get(f"{stem}.scales")
            if scales is None:
                count += math.prod(shape)
            elif kind == "weight":
                layer = settings.get(stem)
                layer = layer if isinstance(layer, dict) else settings
                count += math.prod(scales) * (_whole(layer.get("group_size")) or 64)
    return count


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
