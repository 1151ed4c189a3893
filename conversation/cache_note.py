"""Why a turn read more than it is long: one line, from what the engine found in its KV cache."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from conversation.prompt import Prompt, PromptTurn
from engines.events import GenerationFinished
from engines.kv.reuse import CacheLoss, CacheReuse

WORTH_A_NOTE_TOKENS = 32
_LOSSES = {
    CacheLoss.EVICTED: "its KV cache had to make room for others",
    CacheLoss.DAMAGED: "its KV cache on disk was damaged",
    CacheLoss.OUTDATED: "its KV cache on disk was made with another build of the model or engine",
}


def cache_note(
    finished: GenerationFinished, prompt: Prompt, turns: Sequence[PromptTurn], profile: str
) -> str:
    """How many earlier tokens were read again, and why; empty where it is not worth a word.

    Args:
        prompt: What was generated from.
        turns: All turns of the branch, the newest last; `prompt` may leave out the oldest.
        profile: The name of the profile that answered.
    """
    reuse = finished.stats.cache_reuse
    if reuse is None or len(turns) < 2:
        return ""
    tokens = _read_again(finished, prompt, reuse)
    if tokens < WORTH_A_NOTE_TOKENS:
        return ""
    return f"{tokens:,} tokens read again: {_cause(finished, prompt, turns, profile, reuse)}"


def _read_again(finished: GenerationFinished, prompt: Prompt, reuse: CacheReuse) -> int:
    """Tokens of earlier turns that had to be prefilled."""
    if not prompt.keys:  # rendered whole, so nobody knows where the newest turn begins
        return reuse.held_tokens - reuse.reused_tokens
    newest_tokens = finished.prompt_token_counts[-1]
    return finished.stats.prompt_tokens - newest_tokens - finished.stats.cached_tokens


def _cause(
    finished: GenerationFinished,
    prompt: Prompt,
    turns: Sequence[PromptTurn],
    profile: str,
    reuse: CacheReuse,
) -> str:
    if not reuse.held_tokens:
        return _why_empty(prompt, turns, profile, finished.stats.engine, reuse)
    if reuse.reused_tokens + WORTH_A_NOTE_TOKENS <= reuse.matching_tokens:
        return "this model's KV cache can only go back to the end of a turn"
    if prompt.first_turn:
        return f"the oldest {prompt.first_turn} turns no longer fit the context window"
    if not prompt.keys:
        return "the chat template writes earlier turns anew"
    return _why_different(finished, prompt, turns, profile, reuse)


def _why_empty(
    prompt: Prompt, turns: Sequence[PromptTurn], profile: str, engine: str, reuse: CacheReuse
) -> str:
    answered = [turn for turn in turns[:-1] if turn.profile == profile]
    on_this_engine = [turn for turn in answered if turn.engine in ("", engine)]
    known = {key.message_id for key in prompt.known}
    if reuse.loss in _LOSSES:
        return _LOSSES[reuse.loss]
    if not answered:
        return "this is the profile's first turn here"
    if not on_this_engine:
        return f"this is the first turn here on {engine}"
    if prompt.keys and not any(turn.message_id in known for turn in answered):
        return "the model, its chat template or the system prompt has changed"
    return "its KV cache was not kept"


def _why_different(
    finished: GenerationFinished,
    prompt: Prompt,
    turns: Sequence[PromptTurn],
    profile: str,
    reuse: CacheReuse,
) -> str:
    """The first turn that the cache does not hold as the prompt has it."""
    ends = accumulate(finished.prompt_token_counts)
    differing = next((i for i, end in enumerate(ends) if end > reuse.matching_tokens), 0)
    turn = turns[differing]
    if turn.profile and turn.profile != profile:
        return f"turn {differing + 1} was answered with the profile {turn.profile}"
    if turn.engine and turn.engine != finished.stats.engine:
        return f"turn {differing + 1} was answered on {turn.engine}"
    if prompt.keys[differing] not in prompt.known and differing < len(turns) - 1:
        return f"turn {differing + 1} has no token ids of this model"
    return f"the conversation goes another way from turn {differing + 1} on"
