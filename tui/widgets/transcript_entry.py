"""What the transcript shows, as plain values: enough to draw it again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MessageStatus(StrEnum):
    STREAMING = "streaming"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Severity(StrEnum):
    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class MessagePart:
    """A stretch of one kind (`engines.events.TextKind`) of an answer's text."""

    kind: str
    text: str
    token_count: int = 0
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class UserEntry:
    message_id: str
    text: str
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssistantEntry:
    """An answer; `error` and `hint` say what went wrong where `status` is failed."""

    message_id: str
    parts: tuple[MessagePart, ...]
    status: MessageStatus = MessageStatus.COMPLETE
    footer: str = ""
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class NoticeEntry:
    text: str
    severity: Severity = Severity.INFORMATION
    hint: str = ""


TranscriptEntry = UserEntry | AssistantEntry | NoticeEntry
