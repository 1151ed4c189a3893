"""Batches of packed rows on the device, mixed from sources and dialogues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from engines.demo.training.model import Mask
from engines.demo.training.packing import DOCUMENT_START, LOSS_WEIGHTS, WEIGHT_BITS, Tokens
from engines.demo.training.prepare import load_rows
from engines.demo.training.scale import Scale


@dataclass(frozen=True)
class Mix:
    """Shares of rows: dialogues from sources, the pool, own answers; the rest is source text."""

    dialogues: float
    pool: float
    answers: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Inputs, next tokens, loss weights and document numbers, each (rows, row_tokens)."""

    ids: Tensor
    targets: Tensor
    weights: Tensor
    documents: Tensor


class Rows:
    """Rows on the device, drawn in random order, each once before any is drawn again."""

    def __init__(self, tokens: Tokens, device: str, rng: np.random.Generator) -> None:
        self.ids = torch.from_numpy(tokens.ids).to(device)
        self.flags = torch.from_numpy(tokens.flags).to(device)
        self.rng, self.epochs = rng, 0.0
        self.queue: list[int] = []

    def starts(self) -> list[int]:
        """Numbers of the rows of one epoch."""
        return list(self.rng.permutation(len(self.ids)))

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Ids and flags of `count` rows, (count, row_tokens + 1)."""
        if len(self.queue) < count:
            self.queue = self.starts()
            self.epoch_rows = len(self.queue)
        chosen = torch.tensor([self.queue.pop() for _ in range(count)], device=self.ids.device)
        self.epochs += count / self.epoch_rows
        return self.at(chosen)

    def at(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        return self.ids[chosen], self.flags[chosen]


class Stream(Rows):
    """One long stream of tokens, cut into rows at another offset in every epoch."""

    def __init__(
        self, tokens: Tokens, row_tokens: int, device: str, rng: np.random.Generator
    ) -> None:
        super().__init__(tokens, device, rng)
        self.row_tokens = row_tokens
        self.span = torch.arange(row_tokens + 1, device=device)

    def starts(self) -> list[int]:
        offset = int(self.rng.integers(0, self.row_tokens))
        count = (len(self.ids) - offset - 1) // self.row_tokens
        return list(offset + self.rng.permutation(count) * self.row_tokens)

    def at(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        where = chosen[:, None] + self.span[None]
        return self.ids[where], self.flags[where]

    def in_order(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Rows `first` … of the stream without an offset."""
        return self.at(torch.arange(first, first + count, device=self.ids.device) * self.row_tokens)

    def row_count(self) -> int:
        return (len(self.ids) - 1) // self.row_tokens


class Batches:
    """All rows of a work folder."""

    def __init__(self, rows_file: Path, scale: Scale, device: str) -> None:
        rows, rng = load_rows(rows_file), np.random.default_rng(0)
        self.scale, self.rng = scale, rng
        length = scale.row_tokens
        self.source = Stream(rows["source"], length, device, rng)
        self.held_out_source = Stream(rows["held_out_source"], length, device, rng)
        self.dialogues = Rows(rows["dialogues"], device, rng)
        self.held_out_dialogues = Rows(rows["held_out_dialogues"], device, rng)
        self.pool = Rows(rows["pool"], device, rng)
        self.answers: Rows | None = None
        self.loss_weights = torch.tensor(LOSS_WEIGHTS, device=device)

    def add_answers(self, tokens: Tokens) -> None:
        """Makes packed answers of the target available to a mix."""
        self.answers = Rows(tokens, str(self.source.ids.device), self.rng)

    def batch(self, ids: Tensor, flags: Tensor, halved: bool = False) -> Batch:
        """Rows as a batch; `halved` lets no position look across the middle of a row."""
        documents = ((flags[:, :-1] & DOCUMENT_START) != 0).long().cumsum(1)
        if halved:
            positions = torch.arange(documents.shape[1], device=documents.device)
            documents = documents * 2 + (positions >= documents.shape[1] // 2).long()[None]
        return Batch(
            ids[:, :-1].long().contiguous(),
            ids[:, 1:].long().contiguous(),
            self.loss_weights[(flags[:, 1:] & WEIGHT_BITS).long()],
            documents.int().contiguous(),
        )

    def draw(self, mix: Mix, halved: bool) -> Batch:
        """The next training batch of `scale.rows` rows."""
        total = self.scale.rows
        dialogues = min(total, int(mix.dialogues * total + self.rng.random()))
        pool = min(total - dialogues, int(mix.pool * total + self.rng.random()))
        wanted = [(self.dialogues, dialogues), (self.pool, pool)]
        answers = 0
        if self.answers:
            answers = min(total - dialogues - pool, int(mix.answers * total + self.rng.random()))
            wanted.append((self.answers, answers))
        wanted.append((self.source, total - dialogues - pool - answers))
        parts = [rows.draw(count) for rows, count in wanted if count]
        ids, flags = zip(*parts, strict=True)
        return self.batch(torch.cat(ids), torch.cat(flags), halved)


MaskMaker = Callable[[Tensor], Mask]


def dense_mask(documents: Tensor) -> Mask:
    """Causal attention inside each document, (rows, 1, row_tokens, row_tokens)."""
    length = documents.shape[1]
    same = documents[:, :, None] == documents[:, None, :]
    return (same & torch.ones(length, length, dtype=torch.bool).tril())[:, None]


def block_mask_maker(device: str) -> MaskMaker:
    """The same as a compiled block mask for FlexAttention."""
    create = torch.compile(create_block_mask, dynamic=False)

    def make(documents: Tensor) -> BlockMask:
        rows, length = documents.shape

        def visible(row: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
            return (query >= key) & (documents[row, query] == documents[row, key])

        return create(visible, rows, None, length, length, device=device)

    return make
