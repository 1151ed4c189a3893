"""Tokens with loss weights and document starts, packed into rows of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from engines.demo.training.chat import Dialogue, Weight, has_special_tokens, is_trainable, segments
from engines.demo.training.source.collect import Document
from engines.demo.training.tokenizer import encode_all

LOSS_WEIGHTS = (0.0, 1.0, 0.1)
"""Of the classes in `chat.Weight`: padding, what is to be learned, prompts."""

WEIGHT_BITS = 3
DOCUMENT_START = 4
PATH_SHARE = 0.4
ASIDE = 32
"""How many documents may wait for a row with room for them."""


class Tokens(NamedTuple):
    """Token ids (int16) and flags (uint8): weight class in the low bits, `DOCUMENT_START`."""

    ids: npt.NDArray[np.int16]
    flags: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)


def join(parts: Sequence[Tokens]) -> Tokens:
    ids = np.concatenate([part.ids for part in parts])
    return Tokens(ids, np.concatenate([part.flags for part in parts]))


def document(ids: Sequence[int], weights: Sequence[int]) -> Tokens:
    """One document; its first token is marked as a start and carries no loss."""
    flags = np.array(weights, dtype=np.uint8)
    flags[0] = DOCUMENT_START
    return Tokens(np.array(ids, dtype=np.int16), flags)


def source_stream(tokenizer: Tokenizer, documents: Sequence[Document], end_id: int) -> Tokens:
    """All sources one after the other, some with their path in a comment on top."""
    rng = Random(0)
    texts = [
        (f"# {name}\n" if rng.random() < PATH_SHARE else "") + text
        for name, text in documents
        if not has_special_tokens(text)
    ]
    return join(
        [
            document([*ids, end_id], [Weight.FULL] * (len(ids) + 1))
            for ids in encode_all(tokenizer, texts, 1000)
        ]
    )


def dialogue_documents(
    tokenizer: Tokenizer, dialogues: Sequence[Dialogue], seed: int, longest: int
) -> list[Tokens]:
    """Each dialogue of at most `longest` tokens as one document."""
    rng = Random(seed)
    rendered = [segments(d.messages, rng) for d in dialogues if is_trainable(d)]
    texts = [segment.text for pieces in rendered for segment in pieces]
    encoded = encode_all(tokenizer, texts)
    found = []
    for pieces in rendered:
        ids: list[int] = []
        weights: list[int] = []
        for segment in pieces:
            piece = next(encoded)
            ids += piece
            weights += [segment.weight] * len(piece)
        if len(ids) <= longest:
            found.append(document(ids, weights))
    return found


class Packer:
    """Fills rows of `length` tokens greedily without splitting a document."""

    def __init__(self, length: int, pad_id: int) -> None:
        self.length, self.pad_id = length, pad_id
        self.rows: list[Tokens] = []
        self.row: list[Tokens] = []
        self.used = 0
        self.aside: list[Tokens] = []

    def fits(self, tokens: Tokens) -> bool:
        return self.used + len(tokens) <= self.length

    def put(self, tokens: Tokens) -> None:
        self.row.append(tokens)
        self.used += len(tokens)

    def close_row(self) -> None:
        missing = self.length - self.used
        if missing:
            self.put(document([self.pad_id] * missing, [Weight.NONE] * missing))
        self.rows.append(join(self.row))
        self.row, self.used = [], 0

    def add(self, tokens: Tokens) -> None:
        """Puts the document into this row, aside, or into the next row."""
        if not self.fits(tokens):
            self.put_one_from_aside()
        if not self.fits(tokens):
            if len(self.aside) < ASIDE:
                self.aside.append(tokens)
                return
            self.close_row()
        self.put(tokens)

    def put_one_from_aside(self) -> None:
        for i, tokens in enumerate(self.aside):
            if self.fits(tokens):
                self.put(self.aside.pop(i))
                return

    def finish(self) -> Tokens:
        """All rows, as arrays of shape (rows, length)."""
        for tokens in self.aside:
            if not self.fits(tokens):
                self.close_row()
            self.put(tokens)
        if self.used:
            self.close_row()
        ids = np.stack([row.ids for row in self.rows])
        return Tokens(ids, np.stack([row.flags for row in self.rows]))


def pack(documents: Sequence[Tokens], length: int, pad_id: int, seed: int = 0) -> Tokens:
    """The documents in random order, packed into rows of `length` tokens."""
    order = list(range(len(documents)))
    Random(seed).shuffle(order)
    packer = Packer(length, pad_id)
    for i in order:
        packer.add(documents[i])
    return packer.finish()
