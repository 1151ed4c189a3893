"""Drafts by the model itself: its file may hold a head that predicts a token further ahead."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.base import Cancelled
from engines.kv.prefix import common_prefix_length
from engines.llama_cpp.batch import TokenBatch
from engines.llama_cpp.context import CHUNK_TOKENS, Context
from engines.llama_cpp.hidden_rows import HiddenRows
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.library import llama
from engines.llama_cpp.native_model import NativeModel
from engines.llama_cpp.nextn import nextn
from engines.llama_cpp.sampling import SamplerChain
from engines.types import SamplingParams

HEAD_NAME = "the model's own prediction head"
_ROWS_KEPT = 64
"""Hidden states to keep of tokens that the head has read, to go back that far."""


class HeadContext(Context):
    """A context in which the prediction head runs, with keys and values of its own.

    Attributes:
        hidden: Of the tokens before those of the next pass; shape tokens x width.
    """

    hidden: NDArray[np.float32]

    def decode(self, token_ids: Sequence[int], position: int, output_rows: int) -> None:
        self._batch.fill_embeddings(self.hidden)
        super().decode(token_ids, position, output_rows)

    def hidden_of(self, row: int) -> NDArray[np.float32]:
        """The head's own hidden state at output row `row` of the last pass; shape 1 x width.

        Asked for the states of output rows alone, the library gives those of the first tokens.
        """
        pointer = nextn.llama_get_embeddings_nextn_ith(self.handle, self._output_start + row)
        return _copied(pointer, 1, self._batch.embedding_width)

    def _new_batch(self) -> TokenBatch:
        return TokenBatch(CHUNK_TOKENS, _width(self._model))

    def _params(self) -> Any:
        params = super()._params()
        params.ctx_type = llama.LLAMA_CONTEXT_TYPE_MTP
        params.n_rs_seq = 0
        return params

    def _set_up(self, handle: Any) -> None:
        _yield_hidden(handle)


class HeadDrafter:
    """The prediction head at work on the sequence of the target's context.

    The head reads each token together with the target's hidden state of the one before it, so it
    can only read what the target has just read; it begins late where it missed some of that.

    Args:
        target: Whose passes are listened to from now on.
        cache: On a `HeadContext` of the same model.
        weights_bytes: What a pass of the head reads.
    """

    name = HEAD_NAME

    def __init__(
        self, target: Context, cache: SequenceCache, model: NativeModel, weights_bytes: int
    ) -> None:
        self.cache = cache
        self.weights_bytes = weights_bytes
        self.held_weights_bytes = 0  # they are the target's
        self._context: Any = cache.context
        self._target = target
        self._vocabulary = model.vocabulary
        self._rows = HiddenRows(_width(model))
        self._greedy = SamplerChain(SamplingParams(temperature=0.0), model.vocabulary.size)
        self._cancelled: Cancelled = lambda: False
        self._start = 0
        target.listen(_yield_hidden, self._collect)

    def begin(self, cache_key: str, prompt_ids: Sequence[int], cancelled: Cancelled) -> None:
        """Turn to another sequence, or to the next turn of the same."""
        self._cancelled = cancelled
        self._collect()
        ids = list(prompt_ids)
        self._rows.keep_prefix_of(ids)
        self.cache.truncate(common_prefix_length(self.cache.token_ids, ids[self._start :]))

    def follow(self, token_ids: Sequence[int]) -> None:
        """Read `token_ids`, all of which the target has read, as far as that is known."""
        self._collect()
        if len(token_ids) <= self._context.window_tokens and self._place(token_ids, len(token_ids)):
            self._read(token_ids, 0)

    def unread_tokens(self, sequence_ids: Sequence[int]) -> int:
        return len(sequence_ids) - self._start - len(self.cache.token_ids)

    def propose(self, sequence_ids: Sequence[int], depth: int, read_tokens: int) -> list[int]:
        """Fewer where the answer or the window ends; none where too little is known."""
        self._collect()
        end = len(sequence_ids)
        depth = min(depth, self._context.window_tokens - end)
        self.cache.truncate(end - 1 - self._start)
        if depth <= 0 or not self._place(sequence_ids, max(1, read_tokens)):
            return []
        if not self._read(sequence_ids, 1):
            return []
        drafted = self._draft(depth)
        self.cache.truncate(end - self._start)  # read again with the target's own hidden states
        return drafted

    def close(self) -> None:
        self._greedy.close()
        self.cache.close()

    def _place(self, sequence_ids: Sequence[int], read_tokens: int) -> bool:
        """Go on where the head is, or begin later; False where there is nothing to begin with."""
        end, held = len(sequence_ids), self._start + len(self.cache.token_ids)
        unread = end - held
        if unread <= read_tokens and self._rows.before(held, unread) is not None:
            return True
        known = self._rows.first + 1 if self._rows.first else 0
        self._start = max(known, end - read_tokens)
        self.cache.truncate(0)
        return self._start < end and self._rows.end >= end - 1

    def _read(self, sequence_ids: Sequence[int], output_rows: int) -> bool:
        """Read what is new; False if cancelled, or if a hidden state is missing."""
        end = len(sequence_ids)
        while (start := self._start + len(self.cache.token_ids)) < end:
            chunk = list(sequence_ids[start : start + CHUNK_TOKENS])
            hidden = self._rows.before(start, len(chunk))
            if self._cancelled() or hidden is None:
                return False
            self._context.hidden = hidden
            self.cache.decode(chunk, output_rows if start + len(chunk) == end else 0)
            self._context.wait()
        self._rows.forget_before(end - _ROWS_KEPT)
        return True

    def _draft(self, depth: int) -> list[int]:
        drafted: list[int] = []
        while True:
            token_id = self._context.sample(self._greedy, 0)
            drafted.append(token_id)
            if len(drafted) == depth or self._vocabulary.ends_generation(token_id):
                return drafted
            self._context.hidden = self._context.hidden_of(0)
            self.cache.decode([token_id], 1)

    def _collect(self) -> None:
        """Take over the hidden states of the target's last pass, before the next one comes."""
        last, self._target.last_pass = self._target.last_pass, None
        if last is not None:
            position, token_ids = last
            pointer = nextn.llama_get_embeddings_nextn(self._target.handle)
            rows = _copied(pointer, len(token_ids), self._rows.width)
            self._rows.add(position, token_ids, rows)


def _yield_hidden(handle: Any) -> None:
    """Have a context give the hidden states of all tokens of a pass."""
    nextn.llama_set_embeddings_nextn(handle, True, False)


def _width(model: NativeModel) -> int:
    return int(llama.llama_model_n_embd_out(model.handle))


def _copied(pointer: Any, rows: int, width: int) -> NDArray[np.float32]:
    floats = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float))
    return np.ctypeslib.as_array(floats, (rows, width)).copy()
