"""A message and its parts.

new_message(role, parts, parent_id=..., ...) -> Message
message.text, message.reasoning, message.attachments, message.tool_calls
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engines.types import Role


class MessageStatus(StrEnum):
    COMPLETE = "complete"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call the model asked for; without a name, `arguments` is text that could not be read."""

    name: str
    arguments: str
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    name: str
    text: str
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class AttachmentPart:
    """A file given along with the user's text; `size_bytes` is the file's own size."""

    name: str
    text: str
    size_bytes: int


Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart | AttachmentPart


@dataclass(frozen=True, slots=True)
class MessageError:
    """Why an answer failed, and what to do next."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a transcript. Never changed: `dataclasses.replace` makes the next version.

    Args:
        parent_id: The message it answers or follows; None at the beginning.
        created_at: Seconds since the epoch.
        profile: Name of the profile that answered; empty for the user's messages.
        model: Name of the model that answered.
        stats: `GenerationStats.to_json()` of a finished answer.
    """

    id: str
    parent_id: str | None
    role: Role
    parts: tuple[Part, ...]
    status: MessageStatus = MessageStatus.COMPLETE
    created_at: float = 0.0
    profile: str = ""
    model: str = ""
    stats: dict[str, Any] | None = None
    error: MessageError | None = None

    @property
    def text(self) -> str:
        """What was said: reasoning, tools and attachments left out."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def reasoning(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, ReasoningPart))

    @property
    def attachments(self) -> tuple[AttachmentPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, AttachmentPart))

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))


def new_message(
    role: Role,
    parts: Sequence[Part] = (),
    parent_id: str | None = None,
    status: MessageStatus = MessageStatus.COMPLETE,
    profile: str = "",
) -> Message:
    """A message with a new id, created now."""
    return Message(
        id=uuid.uuid4().hex,
        parent_id=parent_id,
        role=role,
        parts=tuple(parts),
        status=status,
        created_at=time.time(),
        profile=profile,
    )


def title_of(text: str, longest: int = 60) -> str:
    """A conversation's title: the first line of its first message, cut at a word."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    line = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    if len(line) <= longest:
        return line or "New chat"
    head, space, _ = line[:longest].rpartition(" ")
    return (head if space else line[: longest - 1]) + "…"
