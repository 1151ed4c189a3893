"""Batched generation with a KV cache, for answers by the target itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from engines.demo.training.model import KVCache, Qwen3

PREFILL_BATCH = 512
LOOK_EVERY = 32
"""How often all answers are looked at for an early end."""


def left_padded(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and which of them are real, both (batch, longest prompt)."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad_id, dtype=torch.long)
    real = torch.zeros(len(prompts), longest, dtype=torch.bool)
    for i, prompt in enumerate(prompts):
        ids[i, longest - len(prompt) :] = torch.tensor(prompt)
        real[i, longest - len(prompt) :] = True
    return ids, real


class BatchDecoder:
    """The caches of a batch of prompts, and one forward pass over them."""

    def __init__(self, model: Qwen3, real: Tensor, new_tokens: int) -> None:
        self.model, self.device = model, model.cos.device
        self.prompt_tokens = real.shape[1]
        length = self.prompt_tokens + new_tokens
        self.live = torch.ones(len(real), length, dtype=torch.bool, device=self.device)
        self.live[:, : self.prompt_tokens] = real.to(self.device)
        shape = model.shape
        size = (len(real), shape.num_key_value_heads, length, shape.head_dim)
        self.caches = [
            KVCache(*(torch.zeros(size, device=self.device, dtype=torch.bfloat16) for _ in "kv"))
            for _ in model.model.layers
        ]
        self.embedding = model.model.embed_tokens.weight.bfloat16()
        self.cos, self.sin = model.cos.bfloat16(), model.sin.bfloat16()
        self.position = 0

    def mask(self, length: int) -> Tensor:
        """Which positions may be looked at: (batch, 1, length, positions so far)."""
        if length == 1:
            return self.live[:, None, None, : self.position + 1]
        square = torch.ones(length, length, dtype=torch.bool, device=self.device)
        seen = square.tril()[None] & self.live[:, None, :length]
        return (seen | torch.eye(length, dtype=torch.bool, device=self.device)[None])[:, None]

    def next_scores(self, ids: Tensor) -> Tensor:
        """Scores of the token after `ids` (batch, vocabulary); advances the caches."""
        length, mask = ids.shape[1], self.mask(ids.shape[1])
        cos = self.cos[self.position : self.position + length]
        sin = self.sin[self.position : self.position + length]
        batch = PREFILL_BATCH if length > 1 else len(ids)
        last = []
        for start in range(0, len(ids), batch):
            stop = start + batch
            x = self.embedding[ids[start:stop]]
            for layer, cache in zip(self.model.model.layers, self.caches, strict=True):
                rows = cache.rows(start, stop)
                x = layer.decode(x, cos, sin, mask[start:stop], rows, self.position)
            last.append(x[:, -1])
        self.position += length
        return functional.linear(self.model.model.norm(torch.cat(last)), self.embedding).float()


def draw(scores: Tensor, temperature: Tensor) -> Tensor:
    """The next token of each answer; temperature 0 is greedy."""
    uniform = torch.rand_like(scores).clamp(1e-9, 1 - 1e-9)
    noisy = scores / temperature.clamp(min=1e-3)[:, None] - torch.log(-torch.log(uniform))
    return torch.where((temperature > 0)[:, None], noisy, scores).argmax(-1)


@torch.no_grad()
def generate(
    model: Qwen3,
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    end_id: int,
    pad_id: int,
    temperature: float | Tensor = 0.0,
) -> list[list[int]]:
    """An answer to each prompt, at most `new_tokens` long, without its end token."""
    ids, real = left_padded(prompts, pad_id)
    decoder = BatchDecoder(model, real, new_tokens)
    ids = ids.to(decoder.device)
    heat = torch.as_tensor(temperature, device=decoder.device).float().expand(len(prompts))
    done = torch.zeros(len(prompts), dtype=torch.bool, device=decoder.device)
    tokens: list[Tensor] = []
    for step in range(new_tokens):
        chosen = draw(decoder.next_scores(ids), heat)
        chosen = torch.where(done, torch.full_like(chosen, end_id), chosen)
        tokens.append(chosen)
        done |= chosen == end_id
        ids = chosen[:, None]
        if step % LOOK_EVERY == LOOK_EVERY - 1 and bool(done.all()):
            break
    answers: list[list[int]] = torch.stack(tokens, 1).tolist()
    return [row[: row.index(end_id)] if end_id in row else row for row in answers]
