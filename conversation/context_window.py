"""Which turns still fit the context window.

    first_kept_turn(turn_tokens, window, reserve) -> int
    answer_reserve_tokens(window, max_tokens) -> int

When the history no longer fits, the oldest turns are dropped in one big step, down to half of the
window: the prompt then keeps its beginning, and its KV cache, for many turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class HistoryDropped:
    """The oldest turns that are not part of a prompt, because the context window is full.

    Args:
        is_estimate: `tokens` was estimated, because the turns could not be counted one by one.
    """

    turns: int
    tokens: int
    context_window_tokens: int
    is_estimate: bool = False


def answer_reserve_tokens(context_window_tokens: int, max_tokens: int | None) -> int:
    """Room to keep for the answer: `max_tokens`, but at most a quarter of the window."""
    quarter = context_window_tokens // 4
    return quarter if max_tokens is None else min(max_tokens, quarter)


def first_kept_turn(
    turn_tokens: Sequence[int],
    context_window_tokens: int,
    reserve_tokens: int,
    opening_tokens: int = 0,
) -> int:
    """Index of the oldest turn to keep; the newest turn is always kept.

    Goes through the conversation as it grew, so that the answer stays the same until the window is
    full again.

    Args:
        turn_tokens: Tokens of each turn, oldest first; the first includes the system prompt.
        reserve_tokens: Room to keep for the answer.
        opening_tokens: Tokens of the system prompt, which any later opening turn needs as well.
    """
    ends = [0, *accumulate(turn_tokens)]

    def tokens(turn: int, newest: int) -> int:
        return ends[newest + 1] - ends[turn] + (opening_tokens if turn else 0)

    first = 0
    for newest in range(len(turn_tokens)):
        if tokens(first, newest) > context_window_tokens - reserve_tokens:
            later = range(first + 1, newest)
            target = context_window_tokens // 2
            first = next((turn for turn in later if tokens(turn, newest) <= target), newest)
    return first


def turn_to_retry_from(turn_tokens: Sequence[int], first_turn: int) -> int | None:
    """Where to begin after the engine refused a prompt: half of the history less, or None."""
    newest = len(turn_tokens) - 1
    if first_turn >= newest:
        return None
    half = sum(turn_tokens[first_turn:newest]) // 2
    return next(
        (turn for turn in range(first_turn + 1, newest) if sum(turn_tokens[turn:newest]) <= half),
        newest,
    )
