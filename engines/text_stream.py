"""From token bytes to whole characters, split into answer, reasoning and tool calls."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

from engines.events import TextKind

TagPair = tuple[str, str]


class TextSegment(NamedTuple):
    text: str
    kind: TextKind


class TextStream:
    """Decodes UTF-8 as it arrives and routes it, holding back what might still become a marker.

    A stop text ends the stream and is never part of it. Tags are not part of the text either, nor
    are line breaks right after a tag. What is held back comes out with `flush`.

    Args:
        stop: Texts that end the answer.
        reasoning_tags: Opening and closing text of a reasoning passage.
        tool_call_tags: The same for a tool call.
        starts_in_reasoning: The prompt already ended with the opening reasoning tag.
    """

    def __init__(
        self,
        stop: Sequence[str] = (),
        reasoning_tags: TagPair | None = None,
        tool_call_tags: TagPair | None = None,
        starts_in_reasoning: bool = False,
    ) -> None:
        self.stopped = False
        self._tool_calls: list[list[str]] = []
        self._kind = TextKind.REASONING if starts_in_reasoning else TextKind.ANSWER
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_torn = False
        self._held = ""
        self._skip_line_breaks = starts_in_reasoning
        self._rules = _rules(stop, reasoning_tags, tool_call_tags)
        self._rule = self._rules[self._kind]

    @property
    def tool_call_texts(self) -> list[str]:
        """What came between each pair of tool call tags."""
        return ["".join(parts) for parts in self._tool_calls]

    def feed(self, piece: bytes) -> list[TextSegment]:
        """Add the bytes of one token; returns the text that is now certain."""
        if self.stopped:
            return []
        if self._is_torn or not piece.isascii():
            text = self._decoder.decode(piece)
            self._is_torn = bool(self._decoder.getstate()[0])
        else:
            text = piece.decode("ascii")
        is_usual = not self._held and not self._skip_line_breaks
        if is_usual and text and self._rule.first_characters.isdisjoint(text):
            return [self._segment(text)]
        return self._advance(text)

    def flush(self) -> list[TextSegment]:
        """End the stream: returns what was held back, torn characters as U+FFFD."""
        if self.stopped:
            return []
        segments = self._advance(self._decoder.decode(b"", final=True))
        text, self._held = self._held, ""
        self._emit(text, segments)
        return segments

    def _advance(self, text: str) -> list[TextSegment]:
        segments: list[TextSegment] = []
        text = self._held + text
        self._held = ""
        while text:
            rule = self._rule
            found = rule.pattern.search(text) if rule.pattern else None
            if found is None:
                keep = rule.length_that_may_grow(text)
                cut = len(text) - keep
                self._held = text[cut:]
                self._emit(text[:cut], segments)
                break
            self._emit(text[: found.start()], segments)
            target = rule.targets[found.group()]
            if target is None:
                self.stopped = True
                break
            if target is TextKind.TOOL_CALL:
                self._tool_calls.append([])
            self._kind, self._rule = target, self._rules[target]
            self._skip_line_breaks = True
            text = text[found.end() :]
        return segments

    def _emit(self, text: str, segments: list[TextSegment]) -> None:
        if self._skip_line_breaks:
            text = text.lstrip("\r\n")
            self._skip_line_breaks = not text
        if text:
            segments.append(self._segment(text))

    def _segment(self, text: str) -> TextSegment:
        if self._kind is TextKind.TOOL_CALL:
            self._tool_calls[-1].append(text)
        return TextSegment(text, self._kind)


class _Rule:
    """The markers that matter in one state; a target of None ends the stream."""

    def __init__(self, targets: dict[str, TextKind | None]) -> None:
        self.targets = targets
        self.markers = sorted((m for m in targets if m), key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, self.markers))) if self.markers else None
        self._longest = len(self.markers[0]) if self.markers else 0
        self.first_characters = {marker[0] for marker in self.markers}

    def length_that_may_grow(self, text: str) -> int:
        """Characters at the end of `text` that are the beginning of a marker."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            tail = text[-length:]
            if tail[0] in self.first_characters and any(m.startswith(tail) for m in self.markers):
                return length
        return 0


def _rules(
    stop: Sequence[str], reasoning: TagPair | None, tool_call: TagPair | None
) -> dict[TextKind, _Rule]:
    stops: dict[str, TextKind | None] = dict.fromkeys(stop)
    opening: dict[str, TextKind | None] = dict(stops)
    in_reasoning: dict[str, TextKind | None] = dict(stops)
    if reasoning:
        opening[reasoning[0]] = TextKind.REASONING
        in_reasoning[reasoning[1]] = TextKind.ANSWER
    if tool_call:
        opening[tool_call[0]] = TextKind.TOOL_CALL
        in_reasoning[tool_call[0]] = TextKind.TOOL_CALL
    in_call: dict[str, TextKind | None] = {tool_call[1]: TextKind.ANSWER} if tool_call else {}
    return {
        TextKind.ANSWER: _Rule(opening),
        TextKind.REASONING: _Rule(in_reasoning),
        TextKind.TOOL_CALL: _Rule(in_call),
    }
