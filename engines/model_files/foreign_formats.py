"""Quantized formats that no engine here runs, and the sentence that says so.

They were made for NVIDIA's GPUs, whose kernels they need. AWQ at 4 bits is the exception: mlx_lm
repacks it when it loads it (0.32.2, checked against the dense weights); GPTQ it does not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.errors import ModelLoadError

_METHODS = {
    "gptq": "GPTQ",
    "exl2": "EXL2",
    "exl3": "EXL3",
    "bitsandbytes": "bitsandbytes",
    "hqq": "HQQ",
    "aqlm": "AQLM",
    "eetq": "EETQ",
    "quanto": "Quanto",
    "torchao": "torchao",
    "auto-round": "AutoRound",
    "auto_round": "AutoRound",
    "higgs": "HIGGS",
    "spqr": "SpQR",
    "vptq": "VPTQ",
    "marlin": "Marlin",
}
_NAME_MARKS = {
    "-awq": "AWQ",
    "-gptq": "GPTQ",
    "-exl2": "EXL2",
    "-exl3": "EXL3",
    "-bnb-4bit": "bitsandbytes",
    "-bnb-8bit": "bitsandbytes",
    "-hqq": "HQQ",
}
_AWQ_HERE = "A 4-bit AWQ folder that is here already loads on MLX, which repacks it."
_INSTEAD = "Choose an MLX version of the model (mlx-community) or a GGUF version."


def check_format(config: Mapping[str, Any], name: str) -> None:
    """Refuse a model whose weights no engine here runs.

    Args:
        config: Of its `config.json`.

    Raises:
        ModelLoadError: names the format and what to take instead.
    """
    if reason := why_unusable(config):
        raise ModelLoadError(f"{name} is quantized with {reason}", _INSTEAD)


def why_unusable(config: Mapping[str, Any]) -> str:
    """`GPTQ, which runs on NVIDIA GPUs only.`; empty for weights that MLX can read."""
    if isinstance(config.get("quantization"), Mapping):
        return ""
    settings = config.get("quantization_config")
    if not isinstance(settings, Mapping):
        return ""
    method = str(settings.get("quant_method") or "").lower()
    bits = settings.get("bits", settings.get("w_bit", 4))
    if method == "awq" and bits != 4:
        return f"AWQ at {bits} bits, of which MLX reads the 4-bit form only."
    if method in _METHODS:
        return f"{_METHODS[method]}, which runs on NVIDIA GPUs only."
    return ""


def format_in_name(repository: str) -> str:
    """`AWQ` for `Qwen/Qwen2.5-7B-Instruct-AWQ`; empty for a name without such a mark."""
    lower = repository.lower()
    return next((title for mark, title in _NAME_MARKS.items() if mark in lower), "")


def check_repository_name(repository: str) -> None:
    """Refuse a repository by its name, before anything is downloaded.

    AWQ too: there are versions of the same model that need no repacking.

    Raises:
        ModelLoadError: names the format and what to take instead.
    """
    if title := format_in_name(repository):
        raise ModelLoadError(
            f"{repository} is quantized with {title}, which is made for NVIDIA GPUs.",
            f"{_INSTEAD} {_AWQ_HERE}" if title == "AWQ" else _INSTEAD,
        )
