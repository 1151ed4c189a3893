"""A llama.cpp context: the KV cache of one sequence and the passes over it."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engines.errors import EngineError, GenerationError, ModelLoadError, NotEnoughMemory
from engines.llama_cpp.batch import TokenBatch
from engines.llama_cpp.library import llama, native_log
from engines.llama_cpp.native_model import NativeModel
from engines.llama_cpp.sampling import SamplerChain
from engines.llama_cpp.stored_cache import State
from engines.llama_cpp.threads import ThreadCounts

CHUNK_TOKENS = 512
MAX_OUTPUT_ROWS = 32
_WINDOW_STEP_TOKENS = 256
_KV_SIZE = re.compile(r"llama_kv_cache\w*: size = +([\d.]+) MiB \( *(\d+) cells")
_COMPUTE_SIZE = re.compile(r"compute buffer size = +([\d.]+) MiB")
_FIXED_SIZE = re.compile(r"llama_memory_recurrent: size = +([\d.]+) MiB")

KV_TYPES = {
    "f32": 0,
    "f16": 1,
    "bf16": 30,
    "q8_0": 8,
    "q5_1": 7,
    "q5_0": 6,
    "q4_1": 3,
    "q4_0": 2,
}


@dataclass(frozen=True, slots=True)
class ContextSizes:
    """Bytes of a context's buffers, in the library's own words."""

    kv_bytes_per_token: int
    kv_fixed_bytes: int
    kv_reserved_bytes: int
    compute_bytes: int


def context_params(window_tokens: int, kv_type: str) -> Any:
    """The library's settings for a context of one sequence."""
    params = llama.llama_context_default_params()
    params.n_ctx = window_tokens
    params.n_batch = params.n_ubatch = CHUNK_TOKENS
    params.n_outputs_max = MAX_OUTPUT_ROWS
    params.n_seq_max = 1
    params.kv_unified = True
    params.swa_full = True  # with the window alone, going back gives wrong logits
    params.type_k = params.type_v = KV_TYPES[kv_type]
    return params


def read_sizes(lines: Sequence[str]) -> ContextSizes:
    """The library tells the sizes of its buffers in its log only."""
    text = "\n".join(lines)
    caches = [(_mib(size), int(cells)) for size, cells in _KV_SIZE.findall(text)]
    fixed_bytes = round(sum(_mib(size) for size in _FIXED_SIZE.findall(text)))
    return ContextSizes(
        kv_bytes_per_token=round(sum(size / cells for size, cells in caches if cells)),
        kv_fixed_bytes=fixed_bytes,
        kv_reserved_bytes=round(sum(size for size, _ in caches)) + fixed_bytes,
        compute_bytes=round(sum(_mib(size) for size in _COMPUTE_SIZE.findall(text))),
    )


def _mib(text: str) -> float:
    return float(text) * 2**20


class Context:
    """Decodes tokens of one sequence and keeps their keys and values.

    Args:
        model: Must outlive the context.
        window_tokens: Places in the KV cache, rounded up to what the library takes.
        kv_type: A key of `KV_TYPES`.
        threads: CPU threads.

    Raises:
        ModelLoadError, NotEnoughMemory: the library refused these settings for this model.
    """

    def __init__(
        self, model: NativeModel, window_tokens: int, kv_type: str, threads: ThreadCounts
    ) -> None:
        self.kv_bytes_per_token = 0
        self.kv_fixed_bytes = 0
        self.kv_reserved_bytes = 0
        self._model = model
        self._window_tokens = -(-window_tokens // _WINDOW_STEP_TOKENS) * _WINDOW_STEP_TOKENS
        self._kv_type = kv_type
        self._threads = threads
        self._handle: Any = None
        self._output_start = 0
        self._output_rows = 0
        self._batch = TokenBatch(CHUNK_TOKENS)
        try:
            self._opened()
        except EngineError:
            self.close()
            raise

    def decode(self, token_ids: Sequence[int], position: int, output_rows: int) -> None:
        """One pass over at most `CHUNK_TOKENS` tokens that follow on `position` tokens.

        Raises:
            GenerationError, NotEnoughMemory: the pass failed.
        """
        self._output_rows = 0
        self._batch.fill(token_ids, position, output_rows)
        handle = self._opened()
        native_log.clear()
        result = llama.llama_decode(handle, self._batch.batch)
        if result != 0:
            raise _decode_error(result)
        self._output_start = len(token_ids) - output_rows
        self._output_rows = output_rows

    def sample(self, chain: SamplerChain, row: int) -> int:
        """Draw a token from output row `row` of the last pass."""
        if not 0 <= row < self._output_rows:  # the library would end the process
            raise GenerationError("A token was asked for without logits.", "Report this defect.")
        return chain.draw(self._handle, self._output_start + row)

    @property
    def handle(self) -> Any:
        """The library's handle, for its own loop; never null."""
        return self._opened()

    @property
    def thread_counts(self) -> ThreadCounts:
        """CPU threads in use now."""
        handle = self._opened()
        return ThreadCounts(llama.llama_n_threads(handle), llama.llama_n_threads_batch(handle))

    def wait(self) -> None:
        """Return when the last pass is done; GPU back ends work on in the background."""
        llama.llama_synchronize(self._opened())

    def drop_from(self, position: int) -> bool:
        """Remove the tokens from `position` on; False where this cache cannot."""
        self._output_rows = 0
        memory = llama.llama_get_memory(self._opened())
        if llama.llama_memory_seq_pos_min(memory, 0) > 0:  # a window or state without its past
            return False
        return bool(llama.llama_memory_seq_rm(memory, 0, position, -1))

    def clear(self) -> None:
        self._output_rows = 0
        if self._handle:
            llama.llama_memory_clear(llama.llama_get_memory(self._handle), False)

    def state(self) -> State | None:
        """A copy of the KV cache; None where the library gives none."""
        handle = self._opened()
        size = llama.llama_state_seq_get_size(handle, 0)
        buffer = (ctypes.c_uint8 * size)()
        copied = llama.llama_state_seq_get_data(handle, buffer, size, 0)
        return buffer if 0 < copied <= size else None

    def restore(self, state: State) -> bool:
        """Take over a copied KV cache; False (and an empty cache) where the library refuses."""
        self.clear()
        size = len(state)
        if llama.llama_state_seq_set_data(self._opened(), state, size, 0) == size:
            return True
        self.clear()
        return False

    def partial_state(self) -> State | None:
        """A copy of what cannot be cut: recurrent state and windows, not keys and values."""
        handle, flags = self._opened(), llama.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        size = llama.llama_state_seq_get_size_ext(handle, 0, flags)
        buffer = (ctypes.c_uint8 * size)()
        copied = llama.llama_state_seq_get_data_ext(handle, buffer, size, 0, flags)
        return buffer if 0 < copied <= size else None

    def go_back(self, state: State, position: int) -> bool:
        """Return to where `state` was taken, `position` tokens in; False leaves it undefined."""
        self._output_rows = 0
        handle, flags = self._opened(), llama.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        size = len(state)
        if llama.llama_state_seq_set_data_ext(handle, state, size, 0, flags) != size:
            return False
        memory = llama.llama_get_memory(handle)
        if not llama.llama_memory_seq_rm(memory, 0, position, -1):
            return False
        return int(llama.llama_memory_seq_pos_max(memory, 0)) == position - 1

    def used_bytes(self, tokens: int) -> int:
        """Of the KV cache, by `tokens` tokens."""
        return self.kv_fixed_bytes + self.kv_bytes_per_token * tokens

    def discard(self) -> None:
        """Give up a context that failed; the next use opens a fresh, empty one."""
        self._output_rows = 0
        if self._handle:
            llama.llama_free(self._handle)
            self._handle = None

    def close(self) -> None:
        self.discard()
        self._batch.close()

    def _opened(self) -> Any:
        """The library's handle; a null one would end the process."""
        if not self._handle:
            self._open()
        return self._handle

    def _open(self) -> None:
        params = context_params(self._window_tokens, self._kv_type)
        params.n_threads = self._threads.decode
        params.n_threads_batch = self._threads.prefill
        native_log.clear()
        self._handle = llama.llama_init_from_model(self._model.handle, params)
        if not self._handle:
            raise self._open_error(native_log.reason() or "it gave no reason")
        self._read_sizes(native_log.lines)

    def _open_error(self, reason: str) -> ModelLoadError | NotEnoughMemory:
        error = NotEnoughMemory if "allocate" in reason else ModelLoadError
        return error(
            f"llama.cpp cannot set up a context of {self._window_tokens:,} tokens with"
            f" {self._kv_type} KV cache: {reason}.",
            "Choose a smaller context window, or kv_type f16.",
        )

    def _read_sizes(self, lines: list[str]) -> None:
        sizes = read_sizes(lines)
        self.kv_bytes_per_token = sizes.kv_bytes_per_token
        self.kv_fixed_bytes = sizes.kv_fixed_bytes
        self.kv_reserved_bytes = sizes.kv_reserved_bytes


def _decode_error(result: int) -> GenerationError | NotEnoughMemory:
    reason = native_log.reason()
    if result == 1:
        return GenerationError(
            "The KV cache has no room for these tokens.",
            "Start a new chat, or choose a profile with a larger context window.",
        )
    if result == -2:
        return NotEnoughMemory(
            "The machine has not enough memory for this pass.",
            "Close something, or choose a smaller context window.",
        )
    return GenerationError(
        f"llama.cpp failed with code {result}{': ' + reason if reason else ''}.", "Try again."
    )
