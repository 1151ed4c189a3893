"""Muon for the matrices, AdamW for embeddings and norms."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from engines.demo.training.model import Qwen3

POLYNOMIALS = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
"""Newton-Schulz steps with coefficients tuned for five iterations (Muon, Polar Express)."""

MATRIX_WEIGHT_DECAY = 0.1
EMBEDDING_WEIGHT_DECAY = 0.01


def orthogonalized(gradient: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix of each gradient in a stack, about, in bfloat16."""
    x = gradient.bfloat16()
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for a, b, c in POLYNOMIALS:
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon:
    """Momentum, orthogonalized; updates have AdamW's size. Matrices of a shape go together."""

    def __init__(
        self, matrices: Iterable[nn.Parameter], learning_rate: float, compiled: bool
    ) -> None:
        self.learning_rate, self.momentum = learning_rate, 0.95
        groups: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for matrix in matrices:
            groups.setdefault(tuple(matrix.shape), []).append(matrix)
        self.groups = list(groups.values())
        self.buffers = [
            torch.zeros(len(group), *group[0].shape, device=group[0].device)
            for group in self.groups
        ]
        self.orthogonalized = (
            torch.compile(orthogonalized, dynamic=False) if compiled else orthogonalized
        )

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One update at `scale` times the learning rate."""
        rate = self.learning_rate * scale
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            gradient = torch.stack([matrix.grad for matrix in group]).float()
            buffer.lerp_(gradient, 1 - self.momentum)
            update = self.orthogonalized(gradient.lerp(buffer, self.momentum)).float()
            update *= 0.2 * max(gradient.shape[-2:]) ** 0.5
            torch._foreach_mul_(group, 1 - rate * MATRIX_WEIGHT_DECAY)
            torch._foreach_add_(group, list(update.unbind(0)), alpha=-rate)

    def forget(self) -> None:
        """Sets the momentum to zero."""
        for buffer in self.buffers:
            buffer.zero_()


class Optimizer:
    """Both optimizers of one model, with learning rates that follow one schedule."""

    def __init__(
        self, model: Qwen3, matrix_rate: float, embedding_rate: float, on_gpu: bool
    ) -> None:
        named = dict(model.named_parameters())
        matrices = [p for name, p in named.items() if p.dim() == 2 and "embed" not in name]
        vectors = [p for p in named.values() if p.dim() < 2]
        self.parameters = list(named.values())
        self.embedding_rate = embedding_rate
        self.muon = Muon(matrices, matrix_rate, compiled=on_gpu)
        embedding = model.model.embed_tokens.weight
        self.adam = torch.optim.AdamW(
            [
                {"params": [embedding], "weight_decay": EMBEDDING_WEIGHT_DECAY},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=embedding_rate,
            betas=(0.9, 0.95),
            eps=1e-10,
            fused=on_gpu,
        )

    def step(self, scale: float) -> None:
        """One update of all parameters, then no gradients."""
        self.muon.step(scale)
        for group in self.adam.param_groups:
            group["lr"] = self.embedding_rate * scale
        self.adam.step()
        self.clear()

    def warm_up(self) -> None:
        """Compiles the update with the present gradients; no weight changes."""
        self.muon.step(0.0)
        self.muon.forget()
        self.clear()

    def clear(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
