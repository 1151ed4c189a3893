"""MLX and Hugging Face model folders, checked before mlx_lm sees them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import mlx.core as mx

from engines.errors import ModelLoadError
from engines.mlx.device import Device
from engines.mlx.folder_tokenizer import read_json, read_tokenizer
from engines.mlx.library import import_mlx_lm
from engines.mlx.loaded_model import LoadedModel, ModelPlan, element_bytes
from engines.mlx.parameters import lay_out_for_cpu, named_arrays
from engines.mlx.safetensors_file import read_stored_bytes
from engines.model_files.folder_shape import experts_used_share, shape_from_config
from engines.model_files.foreign_formats import check_format
from engines.model_shape import ModelShape

_AGAIN = "Download the model again."
_EMBEDDING_NAMES = (
    "embed_tokens.weight",
    "wte.weight",
    "embeddings.weight",
    "tok_embeddings.weight",
    "word_embeddings.weight",
)


def plan_folder(path: Path, device: Device) -> ModelPlan:
    """Check a model folder and say what it will take, from its small files alone.

    Raises:
        ModelLoadError: a file is missing or damaged, or the model is not one mlx_lm runs.
    """
    config = read_json(path / "config.json")
    if not config:
        raise ModelLoadError(
            f"The folder {path.name} has no config.json and so is no model.",
            "Choose the folder that holds config.json and model.safetensors.",
        )
    check_format(config, path.name)
    _check_architecture(config)
    if not (path / "tokenizer.json").is_file():
        raise ModelLoadError(
            f"The model folder {path.name} has no tokenizer.json.",
            "Download the whole model, or a version of it that has the file.",
        )
    files = _weight_files(path)
    stored_bytes = sum((read_stored_bytes(file) for file in files), Counter())
    text = config.get("text_config", config)
    text = text if isinstance(text, dict) else config
    in_float32 = device.computes_in_float32
    growing_bytes, fixed_bytes = _kv_bytes(
        shape_from_config(config, path.name, 0, 0), element_bytes(in_float32)
    )
    return ModelPlan(
        path=path,
        name=path.name,
        architecture=str(config["model_type"]),
        quantization=_quantization(config) or _element_type(stored_bytes, in_float32),
        weights_bytes=_held_bytes(stored_bytes, in_float32),
        kv_bytes_per_token=growing_bytes,
        kv_fixed_bytes=fixed_bytes,
        experts_used_share=experts_used_share(text),
        context_window_tokens=_whole(text, "max_position_embeddings", 4096),
    )


def load_folder(path: Path, device: Device) -> LoadedModel:
    """Read a model folder that `plan_folder` has accepted.

    Raises:
        ModelLoadError: its weights do not fit its configuration.
    """
    tokenizer = read_tokenizer(path, read_json(path / "config.json"))
    load_model = import_mlx_lm("utils").load_model
    try:
        network, _ = load_model(path, lazy=True, strict=True)
        if device.computes_in_float32:
            network.set_dtype(mx.float32)
            lay_out_for_cpu(network)
        mx.eval(network.parameters())
    except (ValueError, TypeError, KeyError, AttributeError, FileNotFoundError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelLoadError(
            f"mlx_lm cannot build the model {path.name}: {reason}", _AGAIN
        ) from error
    return LoadedModel(network, tokenizer, _embedding_rows(network, len(tokenizer.token_texts)))


def _check_architecture(config: dict[str, Any]) -> None:
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        raise ModelLoadError("config.json of the model names no model_type.", _AGAIN)
    if config.get("model_file") is not None:
        raise ModelLoadError(
            "The model brings program code of its own, which llm-tui does not run.",
            "Choose a model of an architecture that mlx_lm knows.",
        )
    utilities = import_mlx_lm("utils")
    try:
        utilities._get_classes(config=config)
    except Exception as error:  # a strange model_type can fail in the import machinery
        raise ModelLoadError(
            f"mlx_lm does not know the architecture {model_type[:60]}.",
            "Update mlx-lm, or use a GGUF version of the model with the llama.cpp engine.",
        ) from error


def _weight_files(folder: Path) -> list[Path]:
    """The files mlx_lm will read: every `model*.safetensors`, all of the index among them."""
    files = sorted(folder.glob("model*.safetensors"))
    weight_map = read_json(folder / "model.safetensors.index.json").get("weight_map", {})
    indexed = set(weight_map.values()) if isinstance(weight_map, dict) else set()
    missing = sorted(str(name) for name in indexed if not (folder / str(name)).is_file())
    if missing:
        raise ModelLoadError(
            f"{len(missing)} of the model's {len(indexed)} weight files are missing, {missing[0]}"
            " first.",
            "Finish the download.",
        )
    if not files:
        raise ModelLoadError(
            f"The model folder {folder.name} holds no model.safetensors.",
            "Download the whole model, or convert it for MLX.",
        )
    stale = [file.name for file in files if indexed and file.name not in indexed]
    if stale:
        raise ModelLoadError(
            f"The model folder holds {stale[0]}, which is not part of the model's index.",
            "Remove the file that is left over from another version.",
        )
    return files


def _held_bytes(stored_bytes: Counter[str], in_float32: bool) -> int:
    widened = sum(stored_bytes[half] for half in ("F16", "BF16")) if in_float32 else 0
    return stored_bytes.total() + widened


def _element_type(stored_bytes: Counter[str], in_float32: bool) -> str:
    stored = stored_bytes.most_common(1)[0][0].lower() if stored_bytes else ""
    return f"{stored}→f32" if in_float32 and stored != "f32" else stored


def _quantization(config: dict[str, Any]) -> str:
    """`4-bit`, or an empty string for a model that is not quantized."""
    settings = config.get("quantization") or config.get("quantization_config")
    if not isinstance(settings, dict):
        return ""
    bits = settings.get("bits")
    method = settings.get("mode") or settings.get("quant_method") or "quantized"
    return f"{bits}-bit" if isinstance(bits, int) and method in ("affine", "quantized") else method


def _kv_bytes(shape: ModelShape, item_bytes: int) -> tuple[int, int]:
    """What each token adds, and what states and full windows take."""
    growing = sum(kind.elements_per_token for kind in shape.attention if not kind.window_tokens)
    windows = sum(kind.elements_per_token * (kind.window_tokens or 0) for kind in shape.attention)
    return growing * item_bytes, windows * item_bytes + shape.state_bytes


def _whole(config: dict[str, Any], key: str, default: int) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and value > 0 else default


def _embedding_rows(network: Any, default: int) -> int:
    """Rows of the token embedding, found by its name."""
    for name, array in named_arrays(network):
        if name.endswith(_EMBEDDING_NAMES):
            return int(array.shape[0])
    return default
