"""The parts of an answer while it comes in."""

from __future__ import annotations

from collections.abc import Sequence

from conversation.message import Part, ReasoningPart, TextPart, ToolCallPart
from engines.events import TextKind
from engines.types import ToolCall


class AnswerParts:
    """Joins chunks of the same kind; cheap to add to, whole to read."""

    def __init__(self) -> None:
        self._runs: list[tuple[TextKind, list[str]]] = []
        self._tool_calls: list[ToolCallPart] = []

    def add(self, kind: TextKind, text: str) -> None:
        if not self._runs or self._runs[-1][0] is not kind:
            self._runs.append((kind, []))
        self._runs[-1][1].append(text)

    def finish(self, tool_calls: Sequence[ToolCall]) -> None:
        """Take the calls as they were understood, in place of their text."""
        self._tool_calls = [ToolCallPart(c.name, c.arguments, c.id) for c in tool_calls]

    def parts(self) -> tuple[Part, ...]:
        """The parts so far. A tool call that was not understood is its text, without a name."""
        runs = list(self._runs)
        written = [
            part_of(kind, "".join(texts))
            for kind, texts in runs
            if not (self._tool_calls and kind is TextKind.TOOL_CALL)
        ]
        return (*written, *self._tool_calls)


def part_of(kind: TextKind, text: str) -> Part:
    """A part from its text alone."""
    match kind:
        case TextKind.REASONING:
            return ReasoningPart(text)
        case TextKind.TOOL_CALL:
            return ToolCallPart("", text)
        case _:
            return TextPart(text)
