"""A conversation as Markdown for people and as JSON for programs.

to_markdown(conversation) -> str            the branch in view
to_json(conversation) -> dict[str, Any]     every branch, ready for `json.dumps`
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from conversation.chat_turns import fenced
from conversation.message import (
    AttachmentPart,
    Message,
    MessageStatus,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from conversation.part_json import parts_to_json
from conversation.store import StoredConversation
from engines.types import Role

_STATUS_NOTES = {
    MessageStatus.RUNNING: "still being written",
    MessageStatus.INTERRUPTED: "cut off: the program ended",
    MessageStatus.CANCELLED: "stopped",
    MessageStatus.FAILED: "failed",
}


def to_markdown(conversation: StoredConversation) -> str:
    """The branch in view, with a heading per message."""
    blocks = [f"# {conversation.title}"]
    for message in conversation.transcript.path():
        blocks.append(f"## {_speaker(message)}")
        blocks += [text for part in message.parts if (text := _markdown(part).strip())]
        if note := _STATUS_NOTES.get(message.status):
            reason = f": {message.error.message}" if message.error else ""
            blocks.append(f"*({note}{reason})*")
    return "\n\n".join(blocks) + "\n"


def to_json(conversation: StoredConversation) -> dict[str, Any]:
    """All messages in the order they were made; `parent_id` gives the tree, `leaf_id` the view."""
    return {
        "id": conversation.id,
        "title": conversation.title,
        "leaf_id": conversation.transcript.leaf_id,
        "messages": [_message_json(message) for message in conversation.transcript.messages()],
    }


def _speaker(message: Message) -> str:
    if message.role is Role.USER:
        return "You"
    if message.role is Role.ASSISTANT:
        return " · ".join(filter(None, (message.profile or "Assistant", message.model)))
    return message.role.capitalize()


def _markdown(part: Part) -> str:
    match part:
        case TextPart(text):
            return text
        case ReasoningPart(text):
            return f"<details><summary>Reasoning</summary>\n\n{text.strip()}\n\n</details>"
        case ToolCallPart(name, arguments):
            return fenced(f"Call of {name or 'a tool'}", arguments)
        case ToolResultPart(name, text):
            return fenced(f"Result of {name}", text)
        case AttachmentPart(name, text):
            return fenced(f"File {name}", text)


def _message_json(message: Message) -> dict[str, Any]:
    created_at = datetime.fromtimestamp(message.created_at, UTC).isoformat(timespec="milliseconds")
    return {
        "id": message.id,
        "parent_id": message.parent_id,
        "role": str(message.role),
        "status": str(message.status),
        "created_at": created_at,
        "profile": message.profile,
        "model": message.model,
        "parts": parts_to_json(message.parts),
        "stats": message.stats,
        "error": {"message": message.error.message, "hint": message.error.hint}
        if message.error
        else None,
    }
