"""Append-only prompts: what a model has seen is never rendered differently.

A turn's token ids, once generated or prefilled, are kept as its trace. The prompt of the next turn
is the traces of the earlier turns, as they are, and the text that the new turn adds; so the KV
cache always holds its beginning. Only a turn without a trace (written under another model, or not
saved before the program died) is rendered from its messages.

    PromptBuilder(info, system_prompt, tools, reasoning).build(turns, traces, first_turn) -> Prompt
    prompt.segments                                  for GenerationRequest.prompt
    prompt.traces(finished) -> dict[TraceKey, ids]   what to keep when the generation has ended

A trace belongs to a fingerprint: tokenizer and template, system prompt, tools, reasoning option.
A turn that opens a prompt, because what was before it was dropped, has a trace of its own. A
template that does not show where its turns end (`NoTurnBoundary`) is rendered whole on every turn,
without traces; the KV cache then keeps whatever prefix is still equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from conversation.template_delta import ChatTurn, NoTurnBoundary, TurnRenderer
from engines.chat_template import ChatTemplate
from engines.events import GenerationFinished
from engines.types import ModelInfo, PromptSegment, ToolSpec

TokenIds = tuple[int, ...]


class TraceKey(NamedTuple):
    """Whose token ids: an answer's message id, under a fingerprint, at the opening or later."""

    message_id: str
    fingerprint: str
    is_opening: bool


Traces = Mapping[TraceKey, TokenIds]


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """A turn of the branch in view; `message_id` is its answer's, `profile` and `engine` who gave
    it."""

    message_id: str
    chat: ChatTurn
    profile: str = ""
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt by turns.

    Args:
        segments: One per turn; a single text where the template had to be rendered whole.
        keys: The trace each segment belongs to; empty in that case.
        first_turn: How many of the oldest turns were left out.
    """

    segments: tuple[PromptSegment, ...]
    keys: tuple[TraceKey, ...]
    first_turn: int = 0
    known: frozenset[TraceKey] = field(default_factory=frozenset)

    def traces(self, finished: GenerationFinished) -> dict[TraceKey, TokenIds]:
        """Token ids of the turns that had no trace yet, the newest with its answer."""
        ids, counts = finished.token_ids, finished.prompt_token_counts
        if not self.keys or len(counts) != len(self.keys) or sum(counts) > len(ids):
            return {}
        traces: dict[TraceKey, TokenIds] = {}
        start = 0
        for index, (key, count) in enumerate(zip(self.keys, counts, strict=True)):
            end = len(ids) if index == len(counts) - 1 else start + count
            if key not in self.known:
                traces[key] = ids[start:end]
            start = end
        return traces


class PromptBuilder:
    """Builds prompts for one model and one set of options."""

    def __init__(
        self,
        info: ModelInfo,
        system_prompt: str = "",
        tools: Sequence[ToolSpec] = (),
        reasoning: bool | None = None,
        reasoning_effort: str | None = None,
    ) -> None:
        effort = reasoning_effort if "reasoning_effort" in info.chat_template else None
        self.template = _template(info.chat_template, info.bos_token, info.eos_token, effort)
        self.fingerprint = _fingerprint(info, system_prompt, tools, reasoning, effort)
        self._renderer = TurnRenderer(self.template, system_prompt, tools, reasoning)

    def build(self, turns: Sequence[PromptTurn], traces: Traces, first_turn: int = 0) -> Prompt:
        """The prompt for the last of `turns`, without the first `first_turn` ones.

        Raises:
            ChatTemplateError: the template refuses these messages.
        """
        kept = turns[first_turn:]
        keys = tuple(
            TraceKey(turn.message_id, self.fingerprint, index == 0)
            for index, turn in enumerate(kept)
        )
        try:
            segments = tuple(
                self._segment(turn.chat, key, traces, is_newest=turn is kept[-1])
                for turn, key in zip(kept, keys, strict=True)
            )
        except NoTurnBoundary:
            whole = self._renderer.whole([turn.chat for turn in kept])
            return Prompt((whole,), (), first_turn)
        known = frozenset(key for key in keys[:-1] if key in traces)
        return Prompt(segments, keys, first_turn, known)

    def _segment(
        self, chat: ChatTurn, key: TraceKey, traces: Traces, is_newest: bool
    ) -> PromptSegment:
        if is_newest:
            return self._renderer.prompt(chat, key.is_opening)
        if key in traces:
            return traces[key]
        return self._renderer.finished(chat, key.is_opening)


def _fingerprint(
    info: ModelInfo,
    system_prompt: str,
    tools: Sequence[ToolSpec],
    reasoning: bool | None,
    effort: str | None,
) -> str:
    offered = [(tool.name, tool.description, dict(tool.parameters)) for tool in tools]
    parts: list[object] = [info.tokenizer_fingerprint, system_prompt, offered, reasoning]
    if effort is not None:
        parts.append(effort)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=8)
def _template(
    source: str, bos_token: str, eos_token: str, reasoning_effort: str | None
) -> ChatTemplate:
    return ChatTemplate(source, bos_token, eos_token, reasoning_effort)
