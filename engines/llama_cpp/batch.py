"""A llama.cpp batch: consecutive tokens of one sequence."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from engines.llama_cpp.library import llama

_TOKEN_BYTES = ctypes.sizeof(ctypes.c_int32)


class TokenBatch:
    """Memory for at most `capacity` tokens of sequence 0, filled anew for every pass."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.batch = llama.llama_batch_init(capacity, 0, 1)
        for index in range(capacity):
            self.batch.n_seq_id[index] = 1
            self.batch.seq_id[index][0] = 0

    def fill(self, token_ids: Sequence[int], position: int, output_rows: int) -> None:
        """Put in `token_ids` from `position` on; the last `output_rows` of them yield logits."""
        count = len(token_ids)
        if not 0 < count <= self.capacity or not 0 <= output_rows <= count:
            raise ValueError(f"{count} tokens with {output_rows} outputs in {self.capacity} places")
        batch = self.batch
        batch.n_tokens = count
        tokens = (ctypes.c_int32 * count)(*token_ids)
        positions = (ctypes.c_int32 * count)(*range(position, position + count))
        ctypes.memmove(batch.token, tokens, count * _TOKEN_BYTES)
        ctypes.memmove(batch.pos, positions, count * _TOKEN_BYTES)
        for index in range(count):
            batch.logits[index] = index >= count - output_rows

    def close(self) -> None:
        if self.batch is not None:
            llama.llama_batch_free(self.batch)
            self.batch = None
