"""Random-weight models of known shapes, for measuring speed without a download.

They hold the embedded model's vocabulary and chat template, so every engine runs them; what they
write means nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.bench.gguf_file import (
    TensorPlan,
    encode_value,
    read_encoded_metadata,
    write_gguf,
)
from engines.bench.random_weights import FILE_TYPES, Recipe, norm_bytes, random_blocks
from engines.demo import demo_model_path
from engines.errors import ModelNotFound

PREFIX = "random:"
CONTEXT_WINDOW_TOKENS = 16_384
_UNUSED = 5
"""The token type of a filled-up vocabulary, from llama.cpp's `llama_token_type`."""

_ROPE_BASE = 1_000_000.0
_NORM_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Shape:
    """A Qwen3 model; with `experts`, Qwen3-MoE, whose feed-forward size is one expert's.

    `vocabulary` 0 is the embedded model's; a larger one is filled up with tokens that mean nothing.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    experts: int = 0
    experts_used: int = 0
    vocabulary: int = 0

    @property
    def architecture(self) -> str:
        return "qwen3moe" if self.experts else "qwen3"


_QWEN3_VOCABULARY = 151_936
SHAPES = {
    "tiny": Shape(256, 2, 4, 2, 64, 512),
    "100M": Shape(768, 12, 12, 4, 64, 2560),
    "1B": Shape(2048, 20, 32, 8, 64, 6144),
    "0.6B": Shape(1024, 28, 16, 8, 128, 3072, vocabulary=_QWEN3_VOCABULARY),  # Qwen3-0.6B
    "8B": Shape(4096, 36, 32, 8, 128, 12288, vocabulary=_QWEN3_VOCABULARY),  # Qwen3-8B
    "30B-A3B": Shape(2048, 48, 32, 4, 128, 768, 128, 8, _QWEN3_VOCABULARY),  # Qwen3-30B-A3B
}


def random_model_path(
    name: str, folder: Path, report: Callable[[str], None] = lambda line: None
) -> Path:
    """The file of the model `random:SIZE` or `random:SIZE:QUANTIZATION`, written where missing.

    Raises:
        ModelNotFound: there is no such size or quantization.
    """
    size, _, quantization = name.removeprefix(PREFIX).partition(":")
    recipe = FILE_TYPES.get(quantization or "Q8_0")
    shape = SHAPES.get(size)
    if shape is None or recipe is None:
        raise ModelNotFound(
            f"There is no random model {name}.",
            f"Sizes: {', '.join(SHAPES)}; quantizations: {', '.join(FILE_TYPES)}.",
        )
    path = folder / f"random-{size}-{quantization or 'Q8_0'}.gguf"
    if not path.exists():
        report(f"writing random weights, {size} {quantization or 'Q8_0'}")
        folder.mkdir(parents=True, exist_ok=True)
        write_random_model(path, shape, recipe, f"random {size}")
    return path


def write_random_model(path: Path, shape: Shape, recipe: Recipe, name: str) -> None:
    template = demo_model_path("demo:target")
    assert template is not None
    metadata = read_encoded_metadata(template)
    kept = {key: value for key, value in metadata.items() if key.startswith("tokenizer.")}
    _fill_vocabulary(kept, shape.vocabulary)
    vocabulary_size = _array_length(kept["tokenizer.ggml.tokens"])
    tensors = list(_tensors(shape, recipe, vocabulary_size))
    write_gguf(path, _metadata(shape, recipe, name) | kept, tensors, _content)


def _metadata(shape: Shape, recipe: Recipe, name: str) -> dict[str, bytes]:
    own: dict[str, int | float] = {
        "context_length": CONTEXT_WINDOW_TOKENS,
        "embedding_length": shape.hidden,
        "block_count": shape.layers,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_dim,
        "attention.value_length": shape.head_dim,
        "attention.layer_norm_rms_epsilon": _NORM_EPSILON,
        "rope.freq_base": _ROPE_BASE,
    }
    if shape.experts:
        own |= {
            "expert_count": shape.experts,
            "expert_used_count": shape.experts_used,
            "expert_feed_forward_length": shape.feed_forward,
        }
    general: dict[str, int | float | str] = {
        "general.architecture": shape.architecture,
        "general.name": name,
        "general.file_type": recipe.file_type,
    }
    general |= {f"{shape.architecture}.{key}": value for key, value in own.items()}
    return {key: encode_value(value) for key, value in general.items()}


def _tensors(shape: Shape, recipe: Recipe, vocabulary_size: int) -> Iterator[TensorPlan]:
    hidden, queries = shape.hidden, shape.heads * shape.head_dim
    keys = shape.kv_heads * shape.head_dim

    def matrix(name: str, *size: int) -> TensorPlan:
        return TensorPlan(f"{name}.weight", size, recipe.type_of(name))

    def norm(name: str, size: int) -> TensorPlan:
        return TensorPlan(f"{name}.weight", (size,), 0)

    yield matrix("token_embd", hidden, vocabulary_size)
    yield norm("output_norm", hidden)
    yield matrix("output", hidden, vocabulary_size)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        yield norm(f"{block}attn_norm", hidden)
        yield matrix(f"{block}attn_q", hidden, queries)
        yield matrix(f"{block}attn_k", hidden, keys)
        yield matrix(f"{block}attn_v", hidden, keys)
        yield matrix(f"{block}attn_output", queries, hidden)
        yield norm(f"{block}attn_q_norm", shape.head_dim)
        yield norm(f"{block}attn_k_norm", shape.head_dim)
        yield norm(f"{block}ffn_norm", hidden)
        if not shape.experts:
            yield matrix(f"{block}ffn_gate", hidden, shape.feed_forward)
            yield matrix(f"{block}ffn_up", hidden, shape.feed_forward)
            yield matrix(f"{block}ffn_down", shape.feed_forward, hidden)
            continue
        yield TensorPlan(f"{block}ffn_gate_inp.weight", (hidden, shape.experts), 0)
        yield matrix(f"{block}ffn_gate_exps", hidden, shape.feed_forward, shape.experts)
        yield matrix(f"{block}ffn_up_exps", hidden, shape.feed_forward, shape.experts)
        yield matrix(f"{block}ffn_down_exps", shape.feed_forward, hidden, shape.experts)


def _content(tensor: TensorPlan) -> Iterator[bytes]:
    if len(tensor.shape) == 1:
        yield norm_bytes(tensor.shape[0])
    else:
        rows = math.prod(tensor.shape[1:])
        yield from random_blocks(tensor.type_id, rows, tensor.shape[0], seed=tensor.name)


def _fill_vocabulary(tokenizer: dict[str, bytes], vocabulary_size: int) -> None:
    """Add unused tokens until there are `vocabulary_size`."""
    first = _array_length(tokenizer["tokenizer.ggml.tokens"])
    if vocabulary_size <= first:
        return
    names = (f"<unused{number}>".encode() for number in range(first, vocabulary_size))
    fillings = {
        "tokenizer.ggml.tokens": b"".join(struct.pack("<Q", len(name)) + name for name in names),
        "tokenizer.ggml.token_type": struct.pack("<i", _UNUSED) * (vocabulary_size - first),
        "tokenizer.ggml.scores": bytes(4 * (vocabulary_size - first)),
    }
    for key in fillings.keys() & tokenizer.keys():
        array = tokenizer[key]
        length = struct.pack("<Q", vocabulary_size)
        tokenizer[key] = array[:8] + length + array[16:] + fillings[key]


def _array_length(encoded: bytes) -> int:
    """Of an encoded array: type number, element type, length."""
    return int.from_bytes(encoded[8:16], "little")
