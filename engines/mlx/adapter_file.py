"""An MLX adapter as the GGUF file that llama.cpp loads.

Format: `convert_lora_to_gguf.py` and `llama-adapter.cpp` of llama.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from engines.bench.gguf_file import TensorPlan, encode_value, write_gguf
from engines.mlx.gguf_model import GGUF_MODULES
from engines.model_files.adapters import GGUF_FILE, WEIGHTS_FILE

_F32 = 0
_ARCHITECTURES = ("llama", "qwen2", "qwen3")
_NAMES = {module: name for name, module in GGUF_MODULES.items()}
_MATRIX = re.compile(r"model\.layers\.(\d+)\.(.+)\.(lora_[ab])")


def write_gguf_adapter(folder: Path, network: Any, scale: float) -> bool:
    """Write the adapter in `folder` as GGUF beside it.

    Returns:
        False for a model whose modules have other names, or an order of their own, in GGUF files.
    """
    arguments = network.args
    file = folder / GGUF_FILE
    file.unlink(missing_ok=True)
    is_reordered = arguments.model_type == "llama" and not getattr(
        arguments, "rope_traditional", False
    )
    if arguments.model_type not in _ARCHITECTURES or is_reordered:
        return False
    weights: Any = mx.load(str(folder / WEIGHTS_FILE))
    matrices: dict[str, np.ndarray[Any, Any]] = {}
    for name, array in weights.items():
        match = _MATRIX.fullmatch(name)
        if match is None or match[2] not in _NAMES:
            return False
        # (in, rank) and (rank, out) here; GGML's order is fastest first, so rows are transposed
        dense = np.ascontiguousarray(np.array(array.astype(mx.float32)).T)
        matrices[f"blk.{match[1]}.{_NAMES[match[2]]}.weight.{match[3]}"] = dense
    _write(file, matrices, arguments.model_type, scale)
    return True


def _write(
    file: Path, matrices: dict[str, np.ndarray[Any, Any]], architecture: str, scale: float
) -> None:
    """llama.cpp multiplies by alpha ÷ rank, so alpha is scale times rank."""
    rank = next(array.shape[0] for name, array in matrices.items() if name.endswith("lora_a"))
    metadata = {
        "general.architecture": encode_value(architecture),
        "general.type": encode_value("adapter"),
        "adapter.type": encode_value("lora"),
        "adapter.lora.alpha": encode_value(float(scale * rank)),
    }
    tensors = [TensorPlan(name, array.shape[::-1], _F32) for name, array in matrices.items()]

    def content(tensor: TensorPlan) -> Iterator[bytes]:
        yield matrices[tensor.name].astype("<f4").tobytes()

    write_gguf(file, metadata, tensors, content)
