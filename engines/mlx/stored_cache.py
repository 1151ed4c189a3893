"""A KV cache as bytes for a file, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from engines.kv.cache_file import CacheContent
from engines.mlx.kv_cache import Checkpoint, KVCache, KVQuantization, flat_layers

_CHECKPOINTS_KEPT = 2
_GROWING = ("KVCache", "QuantizedKVCache")


def pack_cache(cache: KVCache) -> CacheContent:
    """The rows in use, not the allocated ones; copied layer by layer, while they are written."""
    arrays: list[mx.array] = []
    note = {
        "quantization": _quantization(cache),
        "layers": [_layer_note(layer, arrays) for layer in flat_layers(cache.layers)],
        "checkpoints": [
            {
                "length_tokens": checkpoint.length_tokens,
                "layers": [
                    None if layer is None else _layers_note(layer, arrays)
                    for layer in checkpoint.layers
                ],
            }
            for checkpoint in cache.checkpoints[-_CHECKPOINTS_KEPT:]
        ],
    }
    sizes = [array.nbytes for array in arrays]
    return CacheContent(list(cache.token_ids), note, sizes, map(_as_bytes, arrays))


def unpack_cache(content: CacheContent, create: Callable[[], KVCache]) -> KVCache | None:
    """The cache that `content` was packed from; None where it is of another make.

    Args:
        create: Makes an empty cache of the same model.
    """
    note, parts = content.note, list(content.parts)
    try:
        cache = _filled(create(), note["quantization"], note["layers"], parts)
        for stored in note["checkpoints"]:
            blank = create().layers
            copies = tuple(
                None if each is None else _fill(layer, each, parts)
                for layer, each in zip(blank, stored["layers"], strict=True)
            )
            cache.checkpoints.append(Checkpoint(stored["length_tokens"], copies))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError):
        return None
    cache.token_ids = list(content.token_ids)
    return cache


def _filled(
    cache: KVCache, quantization: list[int] | None, notes: list[Any], parts: list[memoryview]
) -> KVCache:
    if quantization is not None:
        cache.quantize(KVQuantization(*quantization))
    for layer, note in zip(flat_layers(cache.layers), notes, strict=True):
        _restore(layer, note, parts)
    return cache


def _fill(layer: Any, notes: list[Any], parts: list[memoryview]) -> Any:
    for part, note in zip(flat_layers([layer]), notes, strict=True):
        _restore(part, note, parts)
    return layer


def _restore(layer: Any, note: Any, parts: list[memoryview]) -> None:
    if note["kind"] != type(layer).__name__:
        raise ValueError("another kind of layer")
    layer.state = _value(note["state"], parts)


def _quantization(cache: KVCache) -> list[int] | None:
    for layer in cache.layers:
        if type(layer).__name__ == "QuantizedKVCache":
            return [layer.bits, layer.group_size]
    return None


def _layers_note(layer: Any, arrays: list[mx.array]) -> list[Any]:
    return [_layer_note(part, arrays) for part in flat_layers([layer])]


def _layer_note(layer: Any, arrays: list[mx.array]) -> Any:
    kind = type(layer).__name__
    rows = layer.offset if kind in _GROWING else None
    return {"kind": kind, "state": _state_note(layer.state, rows, arrays)}


def _state_note(value: Any, rows: int | None, arrays: list[mx.array]) -> Any:
    """JSON for a layer's state: numbers as they are, an array as its place among the parts."""
    if isinstance(value, mx.array):
        array = value if rows is None else value[..., :rows, :]
        arrays.append(array)
        element_type = str(array.dtype).rpartition(".")[2]
        return {"part": len(arrays) - 1, "shape": list(array.shape), "type": element_type}
    if isinstance(value, list | tuple):
        return [_state_note(each, rows, arrays) for each in value]
    if value is None or isinstance(value, int):
        return value
    raise TypeError(f"a KV cache with {type(value).__name__} in its state")


def _value(note: Any, parts: Sequence[memoryview]) -> Any:
    if isinstance(note, dict):
        raw = mx.array(parts[note["part"]])  # type: ignore[arg-type]
        return raw.view(getattr(mx, note["type"])).reshape(note["shape"])
    return [_value(each, parts) for each in note] if isinstance(note, list) else note


def _as_bytes(array: mx.array) -> memoryview:
    return memoryview(mx.contiguous(array).reshape(-1).view(mx.uint8))  # type: ignore[arg-type]
