"""The KV caches of a model: what they hold, and how much of one a new prompt can keep."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from engines.kv.prefix import common_prefix_length
from engines.mlx.library import import_mlx_lm
from engines.mlx.loaded_model import ELEMENT_TYPES


@dataclass(frozen=True, slots=True)
class KVQuantization:
    """How keys and values are stored once the prompt is prefilled."""

    bits: int
    group_size: int


class KVCache:
    """The KV cache of one model for one sequence.

    `token_ids` are the tokens it holds, exactly. Not every cache can be rewound: the state of a
    recurrent layer holds the whole past, and a sliding window forgets.
    """

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers
        self.token_ids: list[int] = []

    @property
    def size_bytes(self) -> int:
        return sum(int(layer.nbytes) for layer in self.layers)

    @property
    def can_rewind(self) -> bool:
        return all(hasattr(layer, "trim") and layer.is_trimmable() for layer in self.layers)

    def usable_tokens(self, prompt_ids: Sequence[int]) -> int:
        """Tokens a generation for `prompt_ids` could keep; one is always left to feed."""
        common = common_prefix_length(self.token_ids, list(prompt_ids))
        usable = min(common, len(prompt_ids) - 1)
        return usable if usable == len(self.token_ids) or self.can_rewind else 0

    def rewind(self, length_tokens: int) -> bool:
        """Forget all but the first `length_tokens`; False if the cache must not be used again."""
        surplus = len(self.token_ids) - length_tokens
        if surplus <= 0:
            return True
        if not self.can_rewind:
            return False
        del self.token_ids[length_tokens:]
        trimmed = [layer.trim(surplus) for layer in self.layers]
        return trimmed == [surplus] * len(trimmed)

    def drop_unconfirmed(self, surplus_tokens: int) -> None:
        """Remove rows that were fed and never entered `token_ids`."""
        for layer in self.layers:
            if surplus_tokens and layer.trim(surplus_tokens) != surplus_tokens:
                raise RuntimeError("a KV cache did not rewind")

    def fork(self) -> KVCache:
        """A copy that can go another way; memory is shared until one of the two is written."""
        twin = KVCache(copy.deepcopy(self.layers))
        twin.token_ids = list(self.token_ids)
        return twin

    def quantize(self, quantization: KVQuantization) -> None:
        """Store keys and values in fewer bits from here on; what already is, is left."""
        self.layers = [
            layer.to_quantized(group_size=quantization.group_size, bits=quantization.bits)
            if type(layer).__name__ == "KVCache"
            else layer
            for layer in self.layers
        ]


def create_kv_cache(network: Any) -> KVCache:
    """An empty cache of the kind the network asks for."""
    return KVCache(import_mlx_lm("models.cache").make_prompt_cache(network))


@dataclass(frozen=True, slots=True)
class CacheGrowth:
    """What a model's KV cache takes.

    Args:
        elements_per_token: Numbers that each token of context adds, in all growing layers.
        element_bytes: Of one such number.
        element_type: `f16`, `bf16` or `f32`.
        fixed_bytes: Recurrent state, and sliding windows when they are full.
        head_dims: Sizes of a key's and a value's vector, over all layers; empty where a layer
            cannot be quantized.
    """

    elements_per_token: int
    element_bytes: int
    element_type: str
    fixed_bytes: int
    head_dims: frozenset[int]

    def divisible_by(self, group_size: int) -> bool:
        return bool(self.head_dims) and all(dim % group_size == 0 for dim in self.head_dims)

    def bytes_per_token(self, quantization: KVQuantization | None = None) -> int:
        """Quantized: `bits` an element, and a scale and a bias for every group."""
        if quantization is None:
            return self.elements_per_token * self.element_bytes
        bits = quantization.bits + 2 * 8 * self.element_bytes / quantization.group_size
        return round(self.elements_per_token * bits / 8)


def measure_growth(cache: KVCache) -> CacheGrowth:
    """From the layers of a cache that holds at least one token."""
    elements = fixed_bytes = 0
    head_dims: set[int] = set()
    quantizable = True
    element_bytes, element_type = 2, "f16"
    for layer in _flat(cache.layers):
        kind = type(layer).__name__
        if getattr(layer, "keys", None) is None:
            fixed_bytes += int(layer.nbytes)
            continue
        row = _row_elements(layer.keys) + _row_elements(layer.values)
        element_bytes = layer.keys.dtype.size
        element_type = ELEMENT_TYPES.get(layer.keys.dtype, str(layer.keys.dtype))
        if kind == "RotatingKVCache":
            fixed_bytes += row * layer.max_size * element_bytes
        else:
            elements += row
            head_dims |= {int(layer.keys.shape[-1]), int(layer.values.shape[-1])}
        quantizable = quantizable and kind == "KVCache"
    dims = frozenset(head_dims) if quantizable else frozenset()
    return CacheGrowth(elements, element_bytes, element_type, fixed_bytes, dims)


def _flat(layers: Sequence[Any]) -> Iterator[Any]:
    for layer in layers:
        yield from _flat(layer.caches) if hasattr(layer, "caches") else [layer]


def _row_elements(array: mx.array) -> int:
    """Elements of one token in keys or values of shape (1, heads, tokens, dims)."""
    return int(array.shape[1] * array.shape[3])
