"""Messages of a training dialogue, and how they are written in ChatML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from random import Random
from typing import NamedTuple

CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TAG_TOKENS = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
)
EMPTY_REASONING = "<think>\n\n</think>\n\n"
EMPTY_REASONING_SHARE = 0.06
TAGGED_KINDS = {"tool", "think", "canon-task", "canon-small", "canon-concept"}


class Message(NamedTuple):
    """One message; the role is system, user, assistant or tool."""

    role: str
    text: str


class Dialogue(NamedTuple):
    """A dialogue and its kind, such as `write`, `explain` or `tool`."""

    kind: str
    messages: list[Message]


class Weight(IntEnum):
    """How much a token counts in the loss; see `packing.LOSS_WEIGHTS`."""

    NONE = 0
    FULL = 1
    LIGHT = 2


class Segment(NamedTuple):
    """A piece of a rendered dialogue whose tokens share one loss weight."""

    text: str
    weight: Weight


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def system(text: str) -> Message:
    return Message("system", text)


def tool(text: str) -> Message:
    return Message("tool", text)


def has_special_tokens(text: str) -> bool:
    """Whether a text holds what the tokenizer takes for a control token or a tag."""
    return any(token in text for token in CONTROL_TOKENS + TAG_TOKENS)


def is_trainable(dialogue: Dialogue) -> bool:
    """Special tokens only where they belong: in what the assistant writes and in tool lists."""
    allowed = {"assistant", "system"} if dialogue.kind in TAGGED_KINDS else set()
    return not any(
        has_special_tokens(text) for role, text in dialogue.messages if role not in allowed
    )


def answer_segments(text: str, empty_reasoning: bool) -> list[Segment]:
    head = [Segment("<|im_start|>assistant\n", Weight.LIGHT)]
    if empty_reasoning:
        head.append(Segment(EMPTY_REASONING, Weight.LIGHT))
    body = [Segment(text, Weight.FULL), Segment("<|im_end|>", Weight.FULL)]
    return [*head, *body, Segment("\n", Weight.LIGHT)]


def segments(messages: Sequence[Message], rng: Random) -> list[Segment]:
    """The dialogue in ChatML: the assistant's words count fully, all else lightly."""
    found: list[Segment] = []
    for i, (role, text) in enumerate(messages):
        if role == "assistant":
            last = i == len(messages) - 1
            empty = last and not text.startswith("<think>") and rng.random() < EMPTY_REASONING_SHARE
            found += answer_segments(text, empty)
        elif role == "tool":
            opening = "<|im_start|>user\n<tool_response>\n"
            closing = "\n</tool_response><|im_end|>\n"
            found += [Segment(piece, Weight.LIGHT) for piece in (opening, text, closing)]
        else:
            pieces = (f"<|im_start|>{role}\n", text, "<|im_end|>\n")
            found += [Segment(piece, Weight.LIGHT) for piece in pieces]
    return found


def prompt_text(messages: Iterable[Message]) -> str:
    """ChatML up to where the assistant's next answer begins."""
    rendered = ""
    for role, text in messages:
        if role == "tool":
            text = f"<tool_response>\n{text}\n</tool_response>"
            role = "user"
        rendered += f"<|im_start|>{role}\n{text}<|im_end|>\n"
    return rendered + "<|im_start|>assistant\n"


def opening(messages: list[Message]) -> list[Message]:
    """The first request, with the system message when there is one."""
    return messages[:2] if messages[0].role == "system" else messages[:1]
