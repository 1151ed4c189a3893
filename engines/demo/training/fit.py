"""The training loop: compile, then step by the clock until the time is used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor

from engines.demo.training.batches import (
    Batch,
    Batches,
    MaskMaker,
    Mix,
    block_mask_maker,
    dense_mask,
)
from engines.demo.training.model import Mask, Qwen3
from engines.demo.training.optimizer import Optimizer
from engines.demo.training.scale import Scale

log = logging.getLogger(__name__)
EVALUATE_EVERY_S = 60
SAVE_EVERY_S = 100
LOG_EVERY_STEPS = 200
CLOCK_STARTS_AT_STEP = 3
HALVED_ROWS_UNTIL = 0.4
EMA = 0.97


class Loss(Protocol):
    """The weighted loss of a batch, summed over its positions."""

    def __call__(self, batch: Batch, mask: Mask) -> Tensor: ...


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        seconds: Wall time for the steps, compilation not counted.
        matrix_rate, embedding_rate: Peak learning rates of Muon and AdamW.
        mix: The mixture at a point of the run, from 0 to 1.
        schedule: The share of the peak learning rate at a point of the run.
        halve_until: Up to this point of the run rows are cut in halves.
    """

    seconds: float
    matrix_rate: float
    embedding_rate: float
    mix: Callable[[float], Mix]
    schedule: Callable[[float], float]
    halve_until: float = HALVED_ROWS_UNTIL


def device_name() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def ramp(progress: float, start: float, end: float, low: float, high: float) -> float:
    """`low` up to `start`, `high` from `end` on, a straight line between them."""
    share = min(1.0, max(0.0, (progress - start) / (end - start)))
    return low + (high - low) * share


def warm_up_and_decay(progress: float) -> float:
    """For a fresh model: a short warm-up, a plateau, then linearly down to zero."""
    if progress < 0.015:
        return (progress + 0.001) / 0.016
    return 1.0 if progress < 0.45 else max(0.0, (1 - progress) / 0.55)


def rewarm_and_decay(progress: float) -> float:
    """For a trained model: up within 4 % of the time, then linearly down."""
    return min(1.0, progress / 0.04) * (1 - progress) + 0.002


def save_weights(model: Qwen3, path: Path) -> None:
    """The weights in bfloat16, with Hugging Face's names; the file is replaced at once."""
    weights = {
        name: tensor.detach().bfloat16().contiguous().cpu()
        for name, tensor in model.state_dict().items()
    }
    unfinished = path.with_suffix(".unfinished")
    save_file(weights, unfinished, metadata={"format": "pt"})
    unfinished.replace(path)


def compiled_forward(model: Qwen3) -> Callable[..., Tensor]:
    if device_name() == "cuda":
        return torch.compile(model.forward, dynamic=False)
    return model.forward


def cross_entropy(model: Qwen3) -> Loss:
    """The loss of a model that learns from the text alone."""
    forward = compiled_forward(model)

    def loss(batch: Batch, mask: Mask) -> Tensor:
        return forward(batch.ids, batch.targets, batch.weights, mask)

    return loss


def random_batch(scale: Scale, device: str) -> Batch:
    ids = torch.randint(0, 8192, (scale.rows, scale.row_tokens + 1), device=device)
    starts = torch.rand(scale.rows, scale.row_tokens, device=device) < 0.005
    weights = torch.ones(scale.rows, scale.row_tokens, device=device)
    documents = starts.long().cumsum(1).int()
    return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), weights, documents)


class Clock:
    """Progress through the seconds of a plan; starts when the first steps are done."""

    def __init__(self, seconds: float, steps: int | None) -> None:
        self.seconds, self.steps = seconds, steps
        self.start_s: float | None = None

    def start(self) -> None:
        self.start_s = time.monotonic()

    def elapsed_s(self) -> float:
        return time.monotonic() - self.start_s if self.start_s is not None else 0.0

    def progress(self, step: int) -> float:
        """From 0 to 1; a run with a step limit ends there."""
        if self.steps is not None and step >= self.steps:
            return 1.0
        return self.elapsed_s() / self.seconds


class Trainer:
    """One training run of one model; `plain_loss` is what held-out figures are of."""

    def __init__(
        self,
        model: Qwen3,
        loss: Loss,
        plain_loss: Loss,
        plan: Plan,
        scale: Scale,
        weights: Path,
    ) -> None:
        self.model, self.loss, self.plan, self.scale = model, loss, plan, scale
        self.weights_file = weights
        self.device = device_name()
        on_gpu = self.device == "cuda"
        self.make_mask: MaskMaker = block_mask_maker(self.device) if on_gpu else dense_mask
        self.optimizer = Optimizer(model, plan.matrix_rate, plan.embedding_rate, on_gpu)
        self.held_out_loss = plain_loss
        self.step = self.tokens = 0
        self.mean_loss: float | None = None

    def warm_up(self) -> None:
        """Compiles everything on random rows; no weight changes."""
        start = time.monotonic()
        batch = random_batch(self.scale, self.device)
        mask = self.make_mask(batch.documents)
        self.loss(batch, mask).backward()
        with torch.no_grad():
            self.held_out_loss(batch, mask)
        self.optimizer.warm_up()
        log.info("compiled in %.1f s", time.monotonic() - start)

    def train_step(self, batches: Batches, progress: float) -> float:
        """One optimizer step; the mean loss per weighted token."""
        halved = progress < self.plan.halve_until
        batch = batches.draw(self.plan.mix(progress), halved)
        loss = self.loss(batch, self.make_mask(batch.documents)) / batch.weights.sum()
        loss.backward()
        self.optimizer.step(self.plan.schedule(progress))
        return float(loss.item())

    def run(self, batches: Batches) -> None:
        """Steps until the plan's time is used; saves now and then and at the end."""
        clock = Clock(self.plan.seconds, self.scale.steps)
        saved = evaluated = time.monotonic()
        while (progress := clock.progress(self.step)) < 1:
            if self.step == CLOCK_STARTS_AT_STEP:
                clock.start()
                self.tokens = 0
            value = self.train_step(batches, progress)
            self.mean_loss = (
                value if self.mean_loss is None else EMA * self.mean_loss + (1 - EMA) * value
            )
            self.step += 1
            self.tokens += self.scale.rows * self.scale.row_tokens
            if self.step % LOG_EVERY_STEPS == 0 or self.step <= CLOCK_STARTS_AT_STEP:
                self.report(batches, progress, clock.elapsed_s())
            now = time.monotonic()
            if now - evaluated > EVALUATE_EVERY_S:
                evaluated = now
                self.report_held_out(batches, 2)
            if now - saved > SAVE_EVERY_S:
                saved = now
                save_weights(self.model, self.weights_file)
        save_weights(self.model, self.weights_file)
        self.report(batches, 1.0, clock.elapsed_s())
        self.report_held_out(batches, 2 if self.scale.steps else None)

    def report(self, batches: Batches, progress: float, elapsed_s: float) -> None:
        log.info(
            "step %d (%.0f %%) loss %.4f, %.1fM tokens, %.0fk tok/s,"
            " epochs: source %.2f, dialogues %.2f, pool %.2f",
            self.step,
            100 * progress,
            self.mean_loss or 0.0,
            self.tokens / 1e6,
            self.tokens / max(elapsed_s, 1e-6) / 1e3,
            batches.source.epochs,
            batches.dialogues.epochs,
            batches.pool.epochs,
        )

    @torch.no_grad()
    def held_out(self, batch: Batch) -> tuple[float, float]:
        """Summed loss and count of the fully weighted tokens."""
        weights = (batch.weights == 1).float()
        batch = Batch(batch.ids, batch.targets, weights, batch.documents)
        mask = self.make_mask(batch.documents)
        return self.held_out_loss(batch, mask).item(), weights.sum().item()

    def report_held_out(self, batches: Batches, limit: int | None) -> None:
        """Logs the mean held-out loss per token of sources and of answers in dialogues."""
        rows = self.scale.rows
        source, dialogues = batches.held_out_source, batches.held_out_dialogues
        kinds = {
            "source": (source.in_order, source.row_count()),
            "dialogues": (
                lambda first, count: dialogues.at(
                    torch.arange(first, first + count, device=self.device)
                ),
                len(dialogues.ids),
            ),
        }
        for kind, (rows_from, total) in kinds.items():
            starts = list(range(0, total - rows + 1, rows))[:limit]
            sums = [self.held_out(batches.batch(*rows_from(start, rows))) for start in starts]
            if sums:
                mean = sum(loss for loss, _ in sums) / max(1, sum(count for _, count in sums))
                log.info("held-out loss, %s: %.4f", kind, mean)
