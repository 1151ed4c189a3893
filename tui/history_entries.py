"""Stored messages as what the transcript shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from conversation.message import (
    Message,
    MessageError,
    MessageStatus,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
)
from engines.events import TextKind
from engines.types import Role
from tui.answer_footer import answer_footer
from tui.widgets import transcript_entry
from tui.widgets.transcript_entry import (
    AssistantEntry,
    MessagePart,
    NoticeEntry,
    TranscriptEntry,
    UserEntry,
)


def history_entries(
    messages: Iterable[Message], profile_title: Callable[[str], str]
) -> list[TranscriptEntry]:
    """Questions, answers, and tool results as notices, in the order of the branch."""
    return [entry for message in messages if (entry := _entry(message, profile_title))]


def _entry(message: Message, profile_title: Callable[[str], str]) -> TranscriptEntry | None:
    match message.role:
        case Role.USER:
            names = tuple(attachment.name for attachment in message.attachments)
            return UserEntry(message.id, message.text, names)
        case Role.ASSISTANT:
            return _answer(message, profile_title(message.profile))
        case Role.TOOL:
            results = [getattr(part, "text", "") for part in message.parts]
            return NoticeEntry("\n".join(results))
        case _:
            return None


def _answer(message: Message, title: str) -> AssistantEntry:
    error = message.error or MessageError("")
    return AssistantEntry(
        message.id,
        tuple(shown for part in message.parts if (shown := _part(part))),
        _status(message.status),
        answer_footer(message, title),
        error.message,
        error.hint,
    )


def _status(status: MessageStatus) -> transcript_entry.MessageStatus:
    if status is MessageStatus.RUNNING:  # by another instance of this program, right now
        return transcript_entry.MessageStatus.INTERRUPTED
    return transcript_entry.MessageStatus(status)


def _part(part: Part) -> MessagePart | None:
    match part:
        case TextPart(text):
            return MessagePart(TextKind.ANSWER, text)
        case ReasoningPart(text):
            return MessagePart(TextKind.REASONING, text)
        case ToolCallPart(name, arguments):
            text = f'{{"name": "{name}", "arguments": {arguments}}}' if name else arguments
            return MessagePart(TextKind.TOOL_CALL, text)
        case _:
            return None
