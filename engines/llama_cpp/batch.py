"""A llama.cpp batch: consecutive tokens of one sequence."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.llama_cpp.library import llama


class TokenBatch:
    """Memory for at most `capacity` tokens of sequence 0, filled anew for every pass.

    Args:
        embedding_width: Numbers that go in beside each token; 0 for none.
    """

    def __init__(self, capacity: int, embedding_width: int = 0) -> None:
        self.capacity = capacity
        self.embedding_width = embedding_width
        self.batch = llama.llama_batch_init(capacity, embedding_width, 1)
        self._owned_ids = (ctypes.c_int32 * capacity)() if embedding_width else None
        if self._owned_ids is not None:  # the library makes room for the one or the other
            self.batch.token = ctypes.cast(self._owned_ids, ctypes.POINTER(ctypes.c_int32))
        for index in range(capacity):
            self.batch.n_seq_id[index] = 1
            self.batch.seq_id[index][0] = 0
        self._token_ids = _array_at(self.batch.token, ctypes.c_int32, capacity)
        self._positions = _array_at(self.batch.pos, ctypes.c_int32, capacity)
        self._yields_logits = _array_at(self.batch.logits, ctypes.c_int8, capacity)
        self._shape = (0, 0)

    def fill(self, token_ids: Sequence[int], position: int, output_rows: int) -> None:
        """Put in `token_ids` from `position` on; the last `output_rows` of them yield logits."""
        count = len(token_ids)
        if not 0 < count <= self.capacity or not 0 <= output_rows <= count:
            raise ValueError(f"{count} tokens with {output_rows} outputs in {self.capacity} places")
        if count == 1:
            self._token_ids[0] = token_ids[0]
            self._positions[0] = position
        else:
            self._token_ids[:count] = token_ids
            self._positions[:count] = range(position, position + count)
        if self._shape != (count, output_rows):
            self._shape = (count, output_rows)
            self._yields_logits[:count] = [0] * (count - output_rows) + [1] * output_rows
            self.batch.n_tokens = count

    def fill_embeddings(self, rows: NDArray[np.float32]) -> None:
        """Put in what goes beside the tokens; shape: tokens x width."""
        room = np.ctypeslib.as_array(self.batch.embd, (self.capacity, self.embedding_width))
        room[: len(rows)] = rows

    def close(self) -> None:
        if self.batch is not None:
            if self._owned_ids is not None:
                self.batch.token = None
            llama.llama_batch_free(self.batch)
            self.batch = None


def _array_at(pointer: Any, kind: Any, length: int) -> Any:
    """The memory behind a C pointer, as an array that takes slices."""
    return (kind * length).from_address(ctypes.addressof(pointer.contents))
