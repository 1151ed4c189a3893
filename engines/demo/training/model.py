"""A minimal Qwen3 in PyTorch, with Hugging Face's parameter names."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from engines.demo.training.tokenizer import VOCABULARY_TOKENS

Mask: TypeAlias = Tensor | BlockMask | None


@dataclass(frozen=True)
class ModelShape:
    """The fields of a Qwen3 configuration, as `config.json` names them."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    intermediate_size: int
    vocab_size: int = VOCABULARY_TOKENS
    head_dim: int = 64
    rms_norm_eps: float = 1e-6
    rope_theta: float = 100_000.0
    max_position_embeddings: int = 4096


SHAPES = {
    "target": ModelShape(512, 9, 8, 4, 1280),
    "draft": ModelShape(256, 3, 4, 2, 768),
    "toy": ModelShape(256, 2, 4, 2, 256),
}


class KVCache:
    """Keys and values of one layer in static buffers (batch, heads, positions, head_dim)."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values

    def rows(self, start: int, stop: int) -> KVCache:
        """The same buffers for a slice of the batch."""
        return KVCache(self.keys[start:stop], self.values[start:stop])

    def update(self, keys: Tensor, values: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Writes at `position`, returns all up to there."""
        end = position + keys.shape[2]
        self.keys[:, :, position:end] = keys
        self.values[:, :, position:end] = values
        return self.keys[:, :, :end], self.values[:, :, :end]


class Linear(nn.Linear):
    """A bias-free layer that computes in the type of its input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight.to(x.dtype))


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        hidden = x.float()
        hidden = hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.eps)
        return (hidden * self.weight).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of the two halves of each head."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def attend_one(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Attention of one new position; grouped queries meet the cache without copies."""
    batch, heads, _, size = query.shape
    kv_heads = keys.shape[1]
    grouped = query.reshape(batch * kv_heads, heads // kv_heads, size)
    scores = torch.bmm(grouped, keys.flatten(0, 1).mT) * size**-0.5
    scores = scores.view(batch, heads, 1, -1).float().masked_fill(~mask, -1e30)
    weights = scores.softmax(-1).to(values.dtype).view(batch * kv_heads, heads // kv_heads, -1)
    return torch.bmm(weights, values.flatten(0, 1)).view(batch, heads, 1, size)


class Attention(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        size, width = shape.head_dim, shape.hidden_size
        self.heads, self.kv_heads = shape.num_attention_heads, shape.num_key_value_heads
        self.head_dim = size
        self.q_proj = Linear(width, self.heads * size)
        self.k_proj = Linear(width, self.kv_heads * size)
        self.v_proj = Linear(width, self.kv_heads * size)
        self.o_proj = Linear(self.heads * size, width)
        self.q_norm = RMSNorm(size, shape.rms_norm_eps)
        self.k_norm = RMSNorm(size, shape.rms_norm_eps)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (batch, heads, positions, head_dim)."""
        batch, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(batch, length, self.heads, self.head_dim))
        k = self.k_norm(self.k_proj(x).view(batch, length, self.kv_heads, self.head_dim))
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_dim)
        return (
            rotate(q.transpose(1, 2), cos, sin),
            rotate(k.transpose(1, 2), cos, sin),
            v.transpose(1, 2),
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Mask) -> Tensor:
        q, k, v = self.project(x, cos, sin)
        if mask is None or isinstance(mask, Tensor):
            out = functional.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=True
            )
        else:
            out = flex_attention(q, k, v, block_mask=mask, enable_gqa=True)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    def decode(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: KVCache, position: int
    ) -> Tensor:
        """The same against a cache, for a prompt or for one new position."""
        q, k, v = self.project(x, cos, sin)
        k, v = cache.update(k, v, position)
        if x.shape[1] == 1:
            out = attend_one(q, k, v, mask)
        else:
            groups = self.heads // self.kv_heads
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
            out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(out.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = Linear(shape.hidden_size, shape.intermediate_size)
        self.up_proj = Linear(shape.hidden_size, shape.intermediate_size)
        self.down_proj = Linear(shape.intermediate_size, shape.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn, self.mlp = Attention(shape), MLP(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Mask) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))

    def decode(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: KVCache, position: int
    ) -> Tensor:
        attended = self.self_attn.decode(self.input_layernorm(x), cos, sin, mask, cache, position)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embeddings, layers and the last norm, under the name that Hugging Face gives them."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList([Layer(shape) for _ in range(shape.num_hidden_layers)])
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)


class Qwen3(nn.Module):
    """A causal language model with tied embeddings."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        self.initialize()
        positions = torch.arange(shape.max_position_embeddings).float()[:, None]
        exponents = -torch.arange(0, shape.head_dim, 2).float() / shape.head_dim
        angles = positions * (shape.rope_theta**exponents)[None]
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def initialize(self) -> None:
        """Normal weights scaled by the input width; layers add nothing at first."""
        for name, parameter in self.named_parameters():
            if parameter.dim() != 2:
                continue
            if "embed" in name:
                nn.init.normal_(parameter, std=0.02)
            elif "o_proj" in name or "down_proj" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, std=0.6 / math.sqrt(parameter.shape[1]))

    def logits(self, ids: Tensor, mask: Mask = None) -> Tensor:
        """Scores of every next token (batch, positions, vocabulary), in bfloat16."""
        embedding = self.model.embed_tokens.weight
        x = self.model.embed_tokens(ids).bfloat16()
        cos, sin = (table[: ids.shape[1]].bfloat16() for table in (self.cos, self.sin))
        for layer in self.model.layers:
            x = layer(x, cos, sin, mask)
        return functional.linear(self.model.norm(x), embedding.to(x.dtype))

    def forward(self, ids: Tensor, targets: Tensor, weights: Tensor, mask: Mask) -> Tensor:
        """Weighted cross entropy, summed over all positions."""
        scores = self.logits(ids, mask).float().flatten(0, 1)
        losses = functional.cross_entropy(scores, targets.flatten(), reduction="none")
        return (losses * weights.flatten()).sum()

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def build(shape_name: str, context_tokens: int) -> Qwen3:
    """A fresh model of a named shape for rows of `context_tokens`."""
    return Qwen3(replace(SHAPES[shape_name], max_position_embeddings=context_tokens))
