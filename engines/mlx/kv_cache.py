"""The KV caches of a model: what they hold, and how much of one a new prompt can keep."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from engines.kv.prefix import common_prefix_length
from engines.mlx.library import import_mlx_lm
from engines.mlx.loaded_model import ELEMENT_TYPES

_ALWAYS_CUT = ("KVCache", "QuantizedKVCache")
_CHECKPOINTS = 16
_CHECKPOINT_BYTES = 512 * 2**20
"""Of one cache; its last two checkpoints are kept whatever they take."""


@dataclass(frozen=True, slots=True)
class KVQuantization:
    """How keys and values are stored once the prompt is prefilled."""

    bits: int
    group_size: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What cannot be rewound, as it was when the cache held `length_tokens` tokens.

    Args:
        layers: A copy of each such layer, None for those that can be cut at any time.
    """

    length_tokens: int
    layers: tuple[Any, ...]

    @property
    def size_bytes(self) -> int:
        return sum(int(layer.nbytes) for layer in self.layers if layer is not None)


class KVCache:
    """The KV cache of one model for one sequence.

    `token_ids` are the tokens it holds, exactly. Not every cache can be rewound: the state of a
    recurrent layer holds the whole past, and a sliding window forgets. Those go back to a
    checkpoint, where one was made.
    """

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers
        self.token_ids: list[int] = []
        self.checkpoints: list[Checkpoint] = []
        self._empty = Checkpoint(0, self._copies())
        self._can_always_be_cut = all(each is None for each in self._empty.layers)
        self._held: Checkpoint | None = None

    @property
    def size_bytes(self) -> int:
        """Allocated for the layers and their checkpoints."""
        kept = sum(checkpoint.size_bytes for checkpoint in self.checkpoints)
        return kept + sum(int(layer.nbytes) for layer in self.layers)

    def mark(self) -> None:
        """Make a checkpoint here, where the kind of cache needs one to come back."""
        length = len(self.token_ids)
        self._held = None
        if not length or self._can_always_be_cut:
            return
        self._drop_checkpoints(length - 1)
        self.checkpoints.append(Checkpoint(length, self._copies()))
        while len(self.checkpoints) > 2 and (
            len(self.checkpoints) > _CHECKPOINTS
            or sum(each.size_bytes for each in self.checkpoints) > _CHECKPOINT_BYTES
        ):
            del self.checkpoints[0]

    @property
    def can_rewind(self) -> bool:
        return all(hasattr(layer, "trim") and layer.is_trimmable() for layer in self.layers)

    def usable_tokens(self, prompt_ids: Sequence[int]) -> int:
        """Tokens a generation for `prompt_ids` could keep; one is always left to feed."""
        common = common_prefix_length(self.token_ids, list(prompt_ids))
        usable = min(common, len(prompt_ids) - 1)
        if usable == len(self.token_ids) or self.can_rewind:
            return usable
        return self._checkpoint_within(usable).length_tokens

    def rewind(self, length_tokens: int) -> bool:
        """Forget all but the first `length_tokens`; False if the cache must not be used again."""
        surplus = len(self.token_ids) - length_tokens
        if surplus <= 0:
            return True
        kept: Sequence[Any] = [None] * len(self.layers)
        if not self.can_rewind:
            checkpoint = self._checkpoint_within(length_tokens)
            if checkpoint.length_tokens != length_tokens:
                return False
            kept = copy.deepcopy(checkpoint.layers)
        del self.token_ids[length_tokens:]
        self._drop_checkpoints(length_tokens)
        return self._cut(surplus, kept)

    def rewind_within(self, length_tokens: int) -> bool:
        """Like `rewind`, but forget more where the cache can only go back to a checkpoint."""
        if self.can_rewind or length_tokens >= len(self.token_ids):
            return self.rewind(length_tokens)
        return self.rewind(self._checkpoint_within(length_tokens).length_tokens)

    def _copies(self) -> tuple[Any, ...]:
        """What cannot be cut at any time, as it is now; the arrays are shared, not copied."""
        return tuple(
            None if _can_always_be_cut(layer) else copy.deepcopy(layer) for layer in self.layers
        )

    def _cut(self, surplus_tokens: int, earlier: Sequence[Any]) -> bool:
        """Take over the layers of `earlier`, and remove the last tokens of the others."""
        trimmed = [
            layer.trim(surplus_tokens)
            for layer, replacement in zip(self.layers, earlier, strict=True)
            if replacement is None
        ]
        self.layers = [
            layer if replacement is None else replacement
            for layer, replacement in zip(self.layers, earlier, strict=True)
        ]
        return trimmed == [surplus_tokens] * len(trimmed)

    def _checkpoint_within(self, length_tokens: int) -> Checkpoint:
        """The last one that holds at most `length_tokens`; the empty cache is one."""
        held = [] if self._held is None else [self._held]
        known = [*self.checkpoints, *held]
        earlier = (each for each in known if each.length_tokens <= length_tokens)
        return max(earlier, key=lambda each: each.length_tokens, default=self._empty)

    def _drop_checkpoints(self, beyond_tokens: int) -> None:
        self.checkpoints = [
            each for each in self.checkpoints if each.length_tokens <= beyond_tokens
        ]
        if self._held is not None and self._held.length_tokens > beyond_tokens:
            self._held = None

    @property
    def free_depth(self) -> int:
        """Rows of a pass that can be taken back without feeding any again, wherever it is."""
        return sys.maxsize if self._can_always_be_cut else 0

    def drop_unconfirmed(self, surplus_tokens: int) -> None:
        """Remove rows that were fed and never entered `token_ids`."""
        if surplus_tokens and not self._cut(surplus_tokens, [None] * len(self.layers)):
            raise RuntimeError("a KV cache did not rewind")

    def hold(self, tokens: int) -> None:
        """Make it possible to take back a part of the next pass, which is over `tokens`."""
        self._held = None
        if not self._can_always_be_cut and not all(
            _can_be_cut_after(tokens, layer) for layer in flat_layers(self.layers)
        ):
            self._held = Checkpoint(len(self.token_ids), self._copies())

    def settle_pass(self, fed_ids: list[int], kept_tokens: int) -> None:
        """A pass over `fed_ids` is done, and only its first `kept_tokens` stand.

        Where the rest cannot be cut off, the cache goes back to before the pass, so that these have
        to be fed again.
        """
        surplus = len(fed_ids) - kept_tokens
        if surplus == 0 or self._held is None:
            self.drop_unconfirmed(surplus)
            self.token_ids += fed_ids[:kept_tokens]
        elif not self._cut(len(fed_ids), copy.deepcopy(self._held.layers)):
            raise RuntimeError("a KV cache did not rewind")

    def fork(self) -> KVCache:
        """A copy that can go another way; memory is shared until one of the two is written."""
        twin = KVCache(copy.deepcopy(self.layers))
        twin.token_ids = list(self.token_ids)
        twin.checkpoints = list(self.checkpoints)
        twin._empty = self._empty
        return twin

    @property
    def is_quantized(self) -> bool:
        return any(type(layer).__name__ == "QuantizedKVCache" for layer in self.layers)

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
    for layer in flat_layers(cache.layers):
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


def _can_always_be_cut(layer: Any) -> bool:
    return all(type(part).__name__ in _ALWAYS_CUT for part in flat_layers([layer]))


def _can_be_cut_after(tokens: int, layer: Any) -> bool:
    """Whether a pass over `tokens` leaves the layer such that these can be cut off again."""
    if type(layer).__name__ == "RotatingKVCache":
        return bool(layer.offset + tokens < layer.max_size)
    return hasattr(layer, "trim") and bool(layer.is_trimmable())


def flat_layers(layers: Sequence[Any]) -> Iterator[Any]:
    """Every layer; those that consist of several are taken apart."""
    for layer in layers:
        yield from flat_layers(layer.caches) if hasattr(layer, "caches") else [layer]


def _row_elements(array: mx.array) -> int:
    """Elements of one token in keys or values of shape (1, heads, tokens, dims)."""
    return int(array.shape[1] * array.shape[3])
