"""Whether a turn fits beside what is in memory already, and what has to make room for it.

    plan = plan_turn(need, available_bytes)         raises NotEnoughMemory
    plan.chunk_tokens, plan.parked_bytes, plan.answer_tokens, plan.note

Where it does not fit, in this order: the prompt is read in smaller chunks, parked KV caches of
other conversations are given up, the answer is kept shorter. The type of a KV cache is chosen when
its model is loaded (`engines.memory`) and stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engines.errors import NotEnoughMemory
from engines.memory import size_text, smaller_chunks

_USEFUL_ANSWER_TOKENS = 128


@dataclass(frozen=True, slots=True)
class TurnNeed:
    """What a turn asks for.

    Args:
        prompt_tokens: That have to be prefilled.
        answer_tokens: Room to make for the answer.
        kv_bytes_per_token: That each of them adds to what is allocated; 0 where the KV cache was
            set aside whole when the model was loaded.
        copied_bytes: Of KV caches that have to be copied first.
        parked_bytes: Of KV caches that could make room.
        chunk_tokens: Prompt tokens read in one pass at most.
        working_bytes_per_token: Activations for each token of a chunk.
    """

    prompt_tokens: int
    answer_tokens: int
    kv_bytes_per_token: int
    copied_bytes: int = 0
    parked_bytes: int = 0
    chunk_tokens: int = 1
    working_bytes_per_token: int = 0


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """How to run a turn.

    Args:
        parked_bytes: Of parked KV caches that may stay.
        answer_tokens: Room for the answer; less than was asked for where it must be kept short.
        note: A sentence on what is not as usual; empty where everything is.
    """

    chunk_tokens: int
    parked_bytes: int
    answer_tokens: int
    note: str = ""


def plan_turn(need: TurnNeed, available_bytes: int) -> TurnPlan:
    """The first choice that fits.

    Raises:
        NotEnoughMemory: none does.
    """
    chunk = need.chunk_tokens
    for chunk in smaller_chunks(need.chunk_tokens):
        if _needed(need, chunk) <= available_bytes:
            return _planned(need, chunk, need.parked_bytes, need.answer_tokens, available_bytes)
    shortage = _needed(need, chunk) - available_bytes
    if shortage <= need.parked_bytes:
        kept = need.parked_bytes - shortage
        return _planned(need, chunk, kept, need.answer_tokens, available_bytes)
    without_answer = _needed(replace(need, answer_tokens=0), chunk)
    room_bytes = available_bytes + need.parked_bytes - without_answer
    answer = room_bytes // need.kv_bytes_per_token if need.kv_bytes_per_token else 0
    if answer >= min(_USEFUL_ANSWER_TOKENS, need.answer_tokens) > 0:
        return _planned(need, chunk, 0, min(answer, need.answer_tokens), available_bytes)
    raise NotEnoughMemory(
        f"This turn takes {size_text(_needed(need, chunk))} more memory, and"
        f" {size_text(available_bytes)} are free.",
        "Close other programs, start a new chat, or choose a profile with kv_type q8_0.",
    )


def _needed(need: TurnNeed, chunk_tokens: int) -> int:
    kv_bytes = need.kv_bytes_per_token * (need.prompt_tokens + need.answer_tokens)
    chunk = min(chunk_tokens, need.prompt_tokens)
    return kv_bytes + need.copied_bytes + need.working_bytes_per_token * chunk


def _planned(
    need: TurnNeed, chunk_tokens: int, parked_bytes: int, answer_tokens: int, available_bytes: int
) -> TurnPlan:
    savings = []
    if chunk_tokens < min(need.chunk_tokens, need.prompt_tokens):
        savings.append(f"the prompt was read in chunks of {chunk_tokens} tokens")
    if parked_bytes < need.parked_bytes:
        savings.append("KV caches of other conversations made room")
    if answer_tokens < need.answer_tokens:
        savings.append(f"the answer may have {answer_tokens:,} tokens at most")
    note = ""
    if savings:
        note = f"to fit into {size_text(available_bytes)}, {' and '.join(savings)}"
    return TurnPlan(chunk_tokens, parked_bytes, answer_tokens, note)
