"""Does it fit: what a model will take against what the machine has, decided before it is loaded.

    plan = plan_memory(need, available_bytes)      raises NotEnoughMemory
    plan.window_tokens, plan.kv_type, plan.chunk_tokens, plan.note

Turns are planned in `engines.turn_memory`.

    needed = weights + draft + KV(window, type) + working set(chunk)

Where that is more than there is, in this order: a window that nobody asked for is shortened, the
prompt is read in smaller chunks, the KV cache is quantized to 8 bits. A window that was asked for
is never shortened: the load is refused, and the refusal says which window would fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engines.errors import NotEnoughMemory

_GIB = 2**30
_WINDOW_STEP_TOKENS = 256
_SMALLEST_CHUNK_TOKENS = 64
_SMALLEST_WINDOW_TOKENS = 1024
_USEFUL_WINDOW_TOKENS = 8192
"""A window that nobody asked for is shortened down to this before other savings are tried."""


@dataclass(frozen=True, slots=True)
class KVCost:
    """What a KV cache of one type takes: `fixed_bytes`, and `bytes_per_token` of the window.

    Args:
        chunk_bytes_per_token: Saved by every token that a chunk is shorter than asked for.
    """

    kv_type: str
    bytes_per_token: float
    fixed_bytes: int = 0
    chunk_bytes_per_token: float = 0.0

    def bytes_for(self, window_tokens: int) -> int:
        return self.fixed_bytes + round(self.bytes_per_token * window_tokens)


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What a model asks for.

    Args:
        weights_bytes: Of the model and its draft model.
        kv_costs: The KV cache as it was asked for, then as it may be kept instead.
        window_tokens: The context window that was asked for, else the model's own.
        is_window_asked: True where it was.
        chunk_tokens: Prompt tokens read in one pass.
        working_bytes: Activations and buffers, whatever the chunk.
        working_bytes_per_token: The same for each token of a chunk.
    """

    weights_bytes: int
    kv_costs: tuple[KVCost, ...]
    window_tokens: int
    is_window_asked: bool
    chunk_tokens: int
    working_bytes: int = 0
    working_bytes_per_token: int = 0


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What to load, and `note`: a sentence on what is not as asked, empty where everything is."""

    window_tokens: int
    kv_type: str
    chunk_tokens: int
    needed_bytes: int
    available_bytes: int
    note: str = ""


def plan_memory(need: MemoryNeed, available_bytes: int) -> MemoryPlan:
    """The first choice that fits.

    Raises:
        NotEnoughMemory: none does.
    """
    asked = need.kv_costs[0]
    if not need.is_window_asked:
        window = min(need.window_tokens, _most_tokens(need, asked, available_bytes))
        if window >= min(need.window_tokens, _USEFUL_WINDOW_TOKENS):
            return _planned(need, asked, window, need.chunk_tokens, available_bytes)
    for cost in need.kv_costs:
        for chunk in smaller_chunks(need.chunk_tokens):
            if _needed(need, cost, need.window_tokens, chunk) <= available_bytes:
                return _planned(need, cost, need.window_tokens, chunk, available_bytes)
    if not need.is_window_asked:
        cost, chunk = need.kv_costs[-1], min(need.chunk_tokens, _SMALLEST_CHUNK_TOKENS)
        window = _most_tokens(need, cost, available_bytes, chunk)
        if window >= _SMALLEST_WINDOW_TOKENS:
            window = min(window, need.window_tokens)
            return _planned(need, cost, window, chunk, available_bytes)
    raise _refusal(need, available_bytes)


def size_text(size_bytes: int) -> str:
    if size_bytes < _GIB:
        return f"{max(size_bytes, 0) / 2**20:,.0f} MiB"
    return f"{size_bytes / _GIB:,.1f} GiB"


def _needed(need: MemoryNeed, cost: KVCost, window_tokens: int, chunk_tokens: int) -> int:
    return (
        need.weights_bytes
        + cost.bytes_for(window_tokens)
        + need.working_bytes
        + need.working_bytes_per_token * chunk_tokens
        - round(cost.chunk_bytes_per_token * (need.chunk_tokens - chunk_tokens))
    )


def _most_tokens(
    need: MemoryNeed, cost: KVCost, available_bytes: int, chunk_tokens: int | None = None
) -> int:
    """The longest window that fits, in steps of 256 tokens."""
    chunk = need.chunk_tokens if chunk_tokens is None else chunk_tokens
    room_bytes = available_bytes - _needed(need, cost, 0, chunk)
    if room_bytes < 0:
        return 0
    if cost.bytes_per_token <= 0:
        return need.window_tokens
    tokens = int(room_bytes // cost.bytes_per_token)
    if tokens >= need.window_tokens:
        return need.window_tokens
    return tokens // _WINDOW_STEP_TOKENS * _WINDOW_STEP_TOKENS


def smaller_chunks(chunk_tokens: int) -> Iterator[int]:
    """The chunk itself, then halves of it."""
    yield chunk_tokens
    while chunk_tokens // 2 >= _SMALLEST_CHUNK_TOKENS:
        chunk_tokens //= 2
        yield chunk_tokens


def _planned(
    need: MemoryNeed, cost: KVCost, window_tokens: int, chunk_tokens: int, available_bytes: int
) -> MemoryPlan:
    savings = []
    if window_tokens < need.window_tokens:
        savings.append(
            f"the context window is {window_tokens:,} tokens of the model's {need.window_tokens:,}"
        )
    if cost.kv_type != need.kv_costs[0].kv_type:
        savings.append(f"the KV cache is kept in {cost.kv_type}")
    if chunk_tokens < need.chunk_tokens:
        savings.append(f"prompts are read in chunks of {chunk_tokens} tokens")
    note = ""
    if savings:
        note = f"To fit into {size_text(available_bytes)}, {' and '.join(savings)}."
    needed_bytes = _needed(need, cost, window_tokens, chunk_tokens)
    return MemoryPlan(
        window_tokens, cost.kv_type, chunk_tokens, needed_bytes, available_bytes, note
    )


def _refusal(need: MemoryNeed, available_bytes: int) -> NotEnoughMemory:
    asked = need.kv_costs[0]
    kv_bytes = asked.bytes_for(need.window_tokens)
    message = (
        f"The model takes {size_text(need.weights_bytes)}, its KV cache of"
        f" {need.window_tokens:,} tokens {size_text(kv_bytes)}, and"
        f" {size_text(available_bytes)} are free."
    )
    fitting = max(_most_tokens(need, cost, available_bytes) for cost in need.kv_costs)
    if need.is_window_asked and fitting >= _SMALLEST_WINDOW_TOKENS:
        return NotEnoughMemory(message, f"Choose a window of at most {fitting:,} tokens.")
    return NotEnoughMemory(
        message, "Close other programs, or choose a smaller model or quantization."
    )
