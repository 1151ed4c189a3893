"""A llama.cpp context: the KV cache of one sequence and the passes over it."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engines.errors import EngineError, GenerationError, ModelLoadError, NotEnoughMemory
from engines.llama_cpp.adapter import use_adapter
from engines.llama_cpp.batch import TokenBatch
from engines.llama_cpp.library import llama, native_log
from engines.llama_cpp.native_model import NativeModel
from engines.llama_cpp.sampling import SamplerChain
from engines.llama_cpp.stored_cache import State
from engines.llama_cpp.threads import ThreadCounts

CHUNK_TOKENS = 512
MAX_OUTPUT_ROWS = 64
_ROLLBACK_TOKENS = 3
"""Snapshots of recurrent state to keep; each takes as much memory as the state itself."""
_WINDOW_STEP_TOKENS = 256
_LIBRARY_CHOOSES = -1
_LOG_ROUNDING_BYTES = 2 * 5243
"""The log gives MiB with two digits: half a hundredth for each of two caches."""
_KV_SIZE = re.compile(r"llama_kv_cache\w*: size = +([\d.]+) MiB \( *(\d+) cells")
_COMPUTE_SIZE = re.compile(r"compute buffer size = +([\d.]+) MiB")
_FIXED_SIZE = re.compile(r"llama_memory_recurrent: size = +([\d.]+) MiB \([^)]* (\d+) rs_seq\)")

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
    kv_cells_bytes: int = 0


def context_params(
    window_tokens: int,
    kv_type: str,
    chunk_tokens: int = CHUNK_TOKENS,
    flash_attention: bool | None = None,
) -> Any:
    """The library's settings for a context of one sequence.

    Args:
        chunk_tokens: Tokens to compute at once; fewer take smaller buffers.
        flash_attention: None lets the library choose.
    """
    params = llama.llama_context_default_params()
    params.n_ctx = window_tokens
    params.n_batch, params.n_ubatch = CHUNK_TOKENS, chunk_tokens
    params.n_outputs_max = MAX_OUTPUT_ROWS
    params.n_seq_max = 1
    params.n_rs_seq = _ROLLBACK_TOKENS  # ignored where there is no state, or no snapshots of it
    params.kv_unified = True
    params.swa_full = True  # with the window alone, going back gives wrong logits
    params.type_k = params.type_v = KV_TYPES[kv_type]
    params.flash_attn_type = _LIBRARY_CHOOSES if flash_attention is None else int(flash_attention)
    return params


def read_sizes(lines: Sequence[str]) -> ContextSizes:
    """The library tells the sizes of its buffers in its log only."""
    text = "\n".join(lines)
    caches = [(_mib(size), int(cells)) for size, cells in _KV_SIZE.findall(text)]
    states = [(_mib(size), int(snapshots)) for size, snapshots in _FIXED_SIZE.findall(text)]
    return ContextSizes(
        kv_bytes_per_token=round(sum(size / cells for size, cells in caches if cells)),
        kv_fixed_bytes=round(sum(size / (1 + snapshots) for size, snapshots in states)),
        kv_reserved_bytes=round(sum(size for size, _ in [*caches, *states])),
        compute_bytes=round(sum(_mib(size) for size in _COMPUTE_SIZE.findall(text))),
        kv_cells_bytes=round(sum(size for size, _ in caches)),
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
        chunk_tokens: Tokens to compute at once; longer passes are cut by the library.
        expected_bytes_per_token: Of the KV cache, by the model's header. It is taken for the exact
            figure where the library's own, which it logs in rounded MiB, agrees.
        flash_attention: None lets the library choose.

    Attributes:
        rollback_tokens: Of the last pass, so many tokens can be dropped though there is recurrent
            state; 0 where there is none, or the library keeps no snapshots of it.
        computes_aside: A pass is computed while this thread goes on; `sample` waits for it.
        last_pass: Where the last pass began, and its tokens; kept for a listener only.

    Raises:
        ModelLoadError, NotEnoughMemory: the library refused these settings for this model.
    """

    def __init__(
        self,
        model: NativeModel,
        window_tokens: int,
        kv_type: str,
        threads: ThreadCounts,
        chunk_tokens: int = CHUNK_TOKENS,
        expected_bytes_per_token: int = 0,
        flash_attention: bool | None = None,
    ) -> None:
        self.kv_bytes_per_token = 0
        self.kv_fixed_bytes = 0
        self.kv_reserved_bytes = 0
        self.computes_aside = model.is_offloaded
        self._waits_for_gpu = model.uses_gpu
        self._model = model
        self._window_tokens = -(-window_tokens // _WINDOW_STEP_TOKENS) * _WINDOW_STEP_TOKENS
        self._kv_type = kv_type
        self._threads = threads
        self._chunk_tokens = chunk_tokens
        self._expected_bytes_per_token = expected_bytes_per_token
        self._flash_attention = flash_attention
        self._handle: Any = None
        self._output_start = 0
        self._output_rows = 0
        self._batch = self._new_batch()
        self._pass_start: int | None = None
        self._prepare: Callable[[Any], None] = self._set_up
        self._before_pass: Callable[[], None] | None = None
        self.last_pass: tuple[int, Sequence[int]] | None = None
        try:
            self.rollback_tokens = int(llama.llama_n_rs_seq(self._opened()))
        except EngineError:
            self.close()
            raise

    def decode(self, token_ids: Sequence[int], position: int, output_rows: int) -> None:
        """One pass over at most `CHUNK_TOKENS` tokens that follow on `position` tokens.

        Raises:
            GenerationError, NotEnoughMemory: the pass failed.
        """
        if self._before_pass is not None:
            self._before_pass()
        self._output_rows = 0
        self._pass_start = None
        self._batch.fill(token_ids, position, output_rows)
        result = llama.llama_decode(self._opened(), self._batch.batch)
        if result != 0:
            raise _decode_error(result)
        if self._before_pass is not None:
            self.last_pass = (position, token_ids)
        self._pass_start = position
        self._output_start = len(token_ids) - output_rows
        self._output_rows = output_rows

    def sample(self, chain: SamplerChain, row: int) -> int:
        """Draw a token from output row `row` of the last pass."""
        if not 0 <= row < self._output_rows:  # the library would end the process
            raise GenerationError("A token was asked for without logits.", "Report this defect.")
        if self._waits_for_gpu:  # not while it keeps the interpreter's lock
            chain.prepare()
            llama.llama_synchronize(self._handle)
        return chain.draw(self._handle, self._output_start + row)

    def listen(self, prepare: Callable[[Any], None], before_pass: Callable[[], None]) -> None:
        """Let another part have more of each pass than its logits.

        Args:
            prepare: Sets up the library's handle, now and whenever it is opened anew.
            before_pass: Takes what is wanted of `last_pass`, before the next one.
        """
        self._prepare, self._before_pass = prepare, before_pass
        prepare(self._opened())

    @property
    def window_tokens(self) -> int:
        """Places in the KV cache."""
        return self._window_tokens

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
        """Remove the tokens from `position` on; False where this cache cannot.

        The library keeps snapshots of recurrent state of the last pass alone, but does not check
        that what is asked for lies within that pass, nor that they are not used up.
        """
        self._output_rows = 0
        pass_start, self._pass_start = self._pass_start, None
        memory = llama.llama_get_memory(self._opened())
        if self.rollback_tokens:
            if pass_start is None or position <= pass_start:
                return False
        elif llama.llama_memory_seq_pos_min(memory, 0) > 0:  # a window or state without its past
            return False
        return bool(llama.llama_memory_seq_rm(memory, 0, position, -1))

    def clear(self) -> None:
        self._output_rows = 0
        self._pass_start = None
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
        self._pass_start = None
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
        self.last_pass = None
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

    def _new_batch(self) -> TokenBatch:
        return TokenBatch(CHUNK_TOKENS)

    def _set_up(self, handle: Any) -> None:
        """What a fresh handle needs; nothing here."""

    def _params(self) -> Any:
        return context_params(
            self._window_tokens, self._kv_type, self._chunk_tokens, self._flash_attention
        )

    def _open(self) -> None:
        params = self._params()
        params.n_threads = self._threads.decode
        params.n_threads_batch = self._threads.prefill
        native_log.clear()
        self._handle = llama.llama_init_from_model(self._model.handle, params)
        if not self._handle:
            raise self._open_error(native_log.reason() or "it gave no reason")
        self._prepare(self._handle)
        self._read_sizes(native_log.lines)
        if self._model.adapter is not None:
            use_adapter(self._handle, self._model.adapter)

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
        exact_bytes = self._expected_bytes_per_token * self._window_tokens
        if exact_bytes and abs(exact_bytes - sizes.kv_cells_bytes) <= _LOG_ROUNDING_BYTES:
            self.kv_bytes_per_token = self._expected_bytes_per_token
            self.kv_reserved_bytes += exact_bytes - sizes.kv_cells_bytes


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
