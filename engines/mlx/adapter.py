"""LoRA adapters on a loaded model, through mlx_lm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx

from engines.errors import ModelLoadError
from engines.mlx.device import Device
from engines.mlx.folder_tokenizer import read_json
from engines.mlx.library import import_mlx_lm
from engines.mlx.loaded_model import LoadedModel
from engines.model_files.adapters import SETTINGS_FILE
from engines.model_files.fingerprint import tokenizer_fingerprint

ORIGIN = "llm_tui"
"""Key of an adapter's settings: which model it was trained on."""


def add_adapter(model: LoadedModel, folder: Path, device: Device) -> None:
    """Let the adapter in `folder` change what `model` computes, in place.

    Raises:
        ModelLoadError: it is damaged, or was trained on another model.
    """
    settings = read_json(folder / SETTINGS_FILE)
    _check_origin(settings.get(ORIGIN), model, folder)
    _check_settings(settings, folder)
    load_adapters = import_mlx_lm("tuner.utils").load_adapters
    try:
        load_adapters(model.network, str(folder))
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, OSError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines[1:2] or lines or [type(error).__name__])[0][:160]
        raise ModelLoadError(
            f"The adapter {folder.name} does not fit this model ({reason}).",
            "Use it with the model that it was trained on.",
        ) from error
    if device.computes_in_float32:
        model.network.set_dtype(mx.float32)
    model.network.eval()
    mx.eval(model.network.parameters())


def describe_origin(model: LoadedModel, base_parameters: int) -> dict[str, Any]:
    """What an adapter remembers of the model it is trained on."""
    return {"tokenizer": _fingerprint(model), "parameters": base_parameters}


def _check_origin(origin: Any, model: LoadedModel, folder: Path) -> None:
    """An adapter of another model with the same shapes would load and write nonsense."""
    if not isinstance(origin, dict):
        return
    if origin != describe_origin(model, model.parameters):
        raise ModelLoadError(
            f"The adapter {folder.name} was trained on another model.",
            "Use it with the model that it was trained on.",
        )


def _check_settings(settings: dict[str, Any], folder: Path) -> None:
    """Sizes that would take all memory before anything is compared."""
    lora = settings.get("lora_parameters")
    layers = settings.get("num_layers")
    rank = lora.get("rank") if isinstance(lora, dict) else None
    is_full = settings.get("fine_tune_type") == "full"
    if is_full or (isinstance(layers, int) and isinstance(rank, int) and 0 < rank <= 1024):
        return
    raise ModelLoadError(
        f"{SETTINGS_FILE} of the adapter {folder.name} names no usable rank and num_layers.",
        "Train it again, or get it again.",
    )


def _fingerprint(model: LoadedModel) -> str:
    tokenizer = model.tokenizer
    return tokenizer_fingerprint(tokenizer.token_texts, tokenizer.chat_template)
