"""The shape of a model, as far as memory and speed depend on it."""

from __future__ import annotations

from dataclasses import dataclass

KV_BITS = {
    "f32": 32.0,
    "f16": 16.0,
    "bf16": 16.0,
    "q8_0": 8.5,
    "q5_1": 6.0,
    "q5_0": 5.5,
    "q4_1": 5.0,
    "q4_0": 4.5,
}
"""Bits per element of a KV cache, scales included: GGML's blocks of 32, and the same on MLX,
whose groups of 64 have a 16-bit scale and bias."""


@dataclass(frozen=True, slots=True)
class AttentionLayers:
    """Layers whose keys and values are of one size.

    Args:
        layers: How many.
        kv_heads: Per layer. Latent attention (MLA) has one, of the latent's size.
        key_dim: Elements of one key; `value_dim` of one value.
        heads: Query heads per layer.
        window_tokens: They look back so far only; None: at the whole context.
    """

    layers: int
    kv_heads: int
    key_dim: int
    value_dim: int
    heads: int = 0
    window_tokens: int | None = None

    @property
    def elements_per_token(self) -> int:
        return self.layers * self.kv_heads * (self.key_dim + self.value_dim)

    def seen_tokens(self, tokens: int) -> int:
        return tokens if self.window_tokens is None else min(tokens, self.window_tokens)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A model's layers and counts.

    Args:
        parameters: Weights that are held in memory.
        active_parameters: Those that one token uses; fewer in a mixture of experts.
        attention: Layers with a KV cache, by kind. Layers of a hybrid that keep a state instead
            are not among them.
        state_bytes: What those keep, whatever the context.
        vocabulary_size: 0 where it is not known.
    """

    name: str
    architecture: str
    parameters: int
    active_parameters: int
    context_window_tokens: int
    attention: tuple[AttentionLayers, ...]
    state_bytes: int = 0
    vocabulary_size: int = 0

    @property
    def is_mixture(self) -> bool:
        return self.active_parameters < self.parameters

    @property
    def forgets(self) -> bool:
        """True where a part of the context cannot be taken back: sliding windows and states."""
        return self.state_bytes > 0 or any(kind.window_tokens for kind in self.attention)

    def kv_cache_bytes(self, tokens: int, kv_type: str = "f16", keeps_windows: bool = True) -> int:
        """Memory of the KV cache for a context of `tokens`, recurrent state included.

        Args:
            keeps_windows: A layer with a window keeps that alone (MLX). llama.cpp keeps the whole
                context for every layer here, because it could not go back otherwise.
        """
        elements = sum(
            kind.elements_per_token * (kind.seen_tokens(tokens) if keeps_windows else tokens)
            for kind in self.attention
        )
        return round(elements * KV_BITS[kv_type] / 8) + self.state_bytes

    def kv_read_bytes(self, tokens: int, kv_type: str = "f16") -> int:
        """What one decoded token reads of the cache."""
        return self.kv_cache_bytes(tokens, kv_type)

    def prefill_flops(self, tokens: int) -> float:
        """Arithmetic of reading a prompt: two operations per weight and token, and attention.

        Attention takes 2 x (key_dim + value_dim) operations per head for each pair of a token and
        one that it sees; half of a full context on average.
        """
        attention = 0.0
        for kind in self.attention:
            window = kind.seen_tokens(tokens)
            mean_seen = window - window * window / (2 * tokens) if tokens else 0.0
            attention += 2 * kind.layers * kind.heads * (kind.key_dim + kind.value_dim) * mean_seen
        return tokens * (2.0 * self.active_parameters + attention)


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a model in one quantization.

    Args:
        total_bytes: In memory.
        bytes_per_token: Read for one decoded token.
        quantization: `Q4_K_M`, `4-bit`.
        is_exact: Counted from the file's tensors; False: parameters times bits.
    """

    total_bytes: int
    bytes_per_token: int
    quantization: str
    is_exact: bool


def weights_by_bits(shape: ModelShape, bits_per_weight: float, quantization: str) -> Weights:
    """Parameters times bits: the estimate before there is a file."""
    return Weights(
        total_bytes=round(shape.parameters * bits_per_weight / 8),
        bytes_per_token=round(shape.active_parameters * bits_per_weight / 8),
        quantization=quantization,
        is_exact=False,
    )
