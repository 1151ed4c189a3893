"""A model file or folder, made ready to run: the same result whichever format it comes in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx

from engines.mlx.parameters import count_parameters, named_arrays
from engines.mlx.tokenizer import Tokenizer
from engines.model_files.folder_shape import is_expert

ELEMENT_TYPES = {mx.float16: "f16", mx.bfloat16: "bf16", mx.float32: "f32"}


@dataclass(frozen=True)
class ModelPlan:
    """What a model will take, known before its weights are read.

    Args:
        weights_bytes: Bytes of weights in memory once loaded.
        kv_bytes_per_token: Of an unquantized KV cache.
        parameters: Number of weights, or None where only loading tells.
        kv_fixed_bytes: Of states, and of sliding windows when they are full.
        experts_used_share: Of a mixture's experts, what one token uses.
    """

    path: Path
    name: str
    architecture: str
    quantization: str
    weights_bytes: int
    kv_bytes_per_token: int
    context_window_tokens: int
    parameters: int | None = None
    kv_fixed_bytes: int = 0
    experts_used_share: float = 1.0


@dataclass(frozen=True)
class LoadedModel:
    """A model of mlx_lm with its tokenizer.

    Args:
        network: Called as `network(token_ids, cache=layers)`, gives logits by row.
        vocabulary_size: Rows of the embedding; ids beyond it must never reach the network.
    """

    network: Any
    tokenizer: Tokenizer
    vocabulary_size: int

    @property
    def weights_bytes(self) -> int:
        return sum(array.nbytes for _, array in named_arrays(self.network))

    def weights_bytes_per_token(self, experts_used_share: float) -> int:
        """Bytes of weights that one token reads."""
        expert_bytes = sum(
            array.nbytes for name, array in named_arrays(self.network) if is_expert(name)
        )
        return self.weights_bytes - round(expert_bytes * (1 - experts_used_share))

    @property
    def parameters(self) -> int:
        return count_parameters(self.network)

    @property
    def element_type(self) -> str:
        """Of weights that are not quantized, by the bytes they take."""
        sizes: Counter[str] = Counter()
        for _, array in named_arrays(self.network):
            sizes[ELEMENT_TYPES.get(array.dtype, str(array.dtype))] += array.nbytes
        return sizes.most_common(1)[0][0]

    def warm_up(self, layers: list[Any]) -> None:
        """One pass over one token, into the cache `layers`."""
        logits = self.network(mx.zeros((1, 1), dtype=mx.int32), cache=layers)
        mx.eval(logits, [layer.state for layer in layers])


def kv_bytes_per_token(
    layers: int, kv_heads: int, key_dims: int, value_dims: int, element_bytes: int
) -> int:
    """Keys and values of every layer: layers x kv_heads x (key_dims + value_dims) elements."""
    return layers * kv_heads * (key_dims + value_dims) * element_bytes


def element_bytes(computes_in_float32: bool) -> int:
    return 4 if computes_in_float32 else 2
