"""The weights of an mlx_lm model: walking, counting and laying them out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.nn.layers.embedding import Embedding
from mlx.nn.layers.linear import Linear
from mlx.utils import tree_flatten


def named_arrays(module: Any) -> Iterator[tuple[str, mx.array]]:
    """Every weight array of a module and its children, with its path."""
    leaves: Any = tree_flatten(module.parameters())
    yield from leaves


def count_parameters(network: Any) -> int:
    """Number of weights; a packed word counts as the weights in it."""
    leaves: Any = tree_flatten(network.leaf_modules(), is_leaf=_is_module)
    return sum(_count(module) for _, module in leaves)


def lay_out_for_cpu(network: Any) -> None:
    """Store float matrices by columns, in place.

    MLX's CPU backend ships a plain reference BLAS. It multiplies by a matrix stored this way more
    than twice as fast, because its inner loop then runs over neighboring elements.
    """
    for _, module in network.named_modules():
        if isinstance(module, (Linear, Embedding)) and module.weight.ndim == 2:
            module.weight = mx.contiguous(module.weight.T).T
            mx.eval(module.weight)


def _is_module(node: Any) -> bool:
    return isinstance(node, Module)


def _count(module: Any) -> int:
    bits = int(getattr(module, "bits", 0) or 0)
    count = 0
    for name, array in named_arrays(module):
        if bits and name.endswith(("scales", "biases")):
            continue
        count += array.size * 32 // bits if bits and array.dtype == mx.uint32 else array.size
    return count
