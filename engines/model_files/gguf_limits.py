"""Header values that make llama.cpp end the whole process, refused before they reach it."""

from __future__ import annotations

from collections.abc import Mapping

from engines.errors import ModelLoadError
from engines.model_files.gguf_bytes import GgufValue

_MAX_BLOCKS = 512  # LLAMA_MAX_LAYERS


def check_hyperparameters(architecture: str, metadata: Mapping[str, GgufValue]) -> None:
    """Refuse what is known to abort the native library.

    Raises:
        ModelLoadError: names the key and its value.
    """
    prefix = f"{architecture}."
    for key, value in metadata.items():
        if not key.startswith(prefix):
            continue
        name = key.removeprefix(prefix)
        if name == "block_count" and isinstance(value, int) and not 0 < value <= _MAX_BLOCKS:
            raise _impossible(key, value)
        if name.endswith("_epsilon") and isinstance(value, float) and not 0 <= value < 1:
            raise _impossible(key, value)


def _impossible(key: str, value: float) -> ModelLoadError:
    return ModelLoadError(
        f"The model file has an impossible value: {key} is {value}.",
        "Download it again, or choose another file.",
    )
