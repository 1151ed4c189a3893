"""Message parts as JSON, for the store and for export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from conversation.message import (
    AttachmentPart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_KINDS: dict[str, type[Part]] = {
    "text": TextPart,
    "reasoning": ReasoningPart,
    "tool_call": ToolCallPart,
    "tool_result": ToolResultPart,
    "attachment": AttachmentPart,
}
_NAMES = {part_type: name for name, part_type in _KINDS.items()}


def parts_to_json(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Each part as an object whose `kind` names its class."""
    return [{"kind": _NAMES[type(part)]} | asdict(part) for part in parts]


def parts_from_json(values: Sequence[dict[str, Any]]) -> tuple[Part, ...]:
    """The parts of `values`; a kind that this version does not know is left out."""
    return tuple(
        _KINDS[value["kind"]](**{key: item for key, item in value.items() if key != "kind"})
        for value in values
        if value["kind"] in _KINDS
    )
