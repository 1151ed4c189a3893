"""From the messages of a branch to the turns a prompt is built of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conversation.message import (
    Message,
    MessageStatus,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from conversation.prompt import PromptTurn
from conversation.template_delta import ChatTurn
from engines.types import ChatMessage, Role, ToolCall


def chat_turns(path: Sequence[Message]) -> list[PromptTurn]:
    """The turns of a branch that ends with the message to be answered or its empty answer.

    A turn that failed without an answer is left out: its text went back to the user.
    """
    turns: list[PromptTurn] = []
    inputs: list[ChatMessage] = []
    for message in path:
        if message.role is not Role.ASSISTANT:
            inputs += _input_messages(message)
            continue
        if message is path[-1] or message.parts or message.status is not MessageStatus.FAILED:
            chat = ChatTurn(tuple(inputs), answer_text(message), _calls(message))
            engine = str((message.stats or {}).get("engine", ""))
            turns.append(PromptTurn(message.id, chat, message.profile, engine))
        inputs = []
    return turns


def answer_text(message: Message) -> str:
    """An answer as another model should see it: no reasoning, and unreadable calls as text."""
    texts = [
        part.text if isinstance(part, TextPart) else part.arguments
        for part in message.parts
        if isinstance(part, TextPart) or (isinstance(part, ToolCallPart) and not part.name)
    ]
    return "".join(texts)


def attached_texts(path: Sequence[Message]) -> tuple[str, ...]:
    """Texts of the files attached along a branch, each once, in order."""
    files = [file.text for message in path for file in message.attachments]
    return tuple(dict.fromkeys(text for text in files if text))


def fenced(label: str, text: str) -> str:
    """A label and `text` below it, in a fence that the text cannot close."""
    longest_run = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest_run + 1)
    label = "".join(c for c in label if c.isprintable() and c != "`")
    end = "" if text.endswith("\n") else "\n"
    return f"{label}:\n{fence}\n{text}{end}{fence}\n\n"


def _input_messages(message: Message) -> list[ChatMessage]:
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    if results:
        return [ChatMessage(Role.TOOL, part.text) for part in results]
    attached = "".join(fenced(f"File {file.name}", file.text) for file in message.attachments)
    return [ChatMessage(message.role, attached + message.text)]


def _calls(message: Message) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(call.name, call.arguments, call.call_id)
        for call in message.tool_calls
        if call.name
    )
