"""Training examples from a JSONL file, checked line by line.

{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}
{"prompt": "…", "completion": "…"}
{"text": "…"}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.errors import TrainingError
from engines.types import ChatMessage, Role

_SHOWN = 5
_MAX_LINE_BYTES = 4 * 2**20
_FORMS = 'an object with "messages", with "prompt" and "completion", or with "text"'


@dataclass(frozen=True, slots=True)
class Example:
    """What to learn: `answer` after `messages`, or `answer` alone where there are none."""

    messages: tuple[ChatMessage, ...]
    answer: str


class _WrongLine(Exception):
    pass


def read_examples(path: Path) -> list[Example]:
    """Every example of the file; empty lines are passed over.

    Raises:
        TrainingError: it cannot be read, holds none, or lines are wrong; names the first of them.
    """
    examples: list[Example] = []
    wrong: list[str] = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    examples.append(_example(line))
                except _WrongLine as error:
                    wrong.append(f"line {number}: {error}")
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path."
        ) from error
    if wrong:
        more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
        raise TrainingError(
            f"{path.name}, {'; '.join(wrong[:_SHOWN])}{more}.", f"A line must be {_FORMS}."
        )
    if not examples:
        raise TrainingError(f"{path.name} holds no examples.", f"Write one a line: {_FORMS}.")
    return examples


def split_examples(examples: list[Example], share: float = 0.1) -> tuple[list[Example], ...]:
    """Examples to learn from, and every tenth to check with; none to check of fewer than ten."""
    step = round(1 / share)
    if len(examples) < step:
        return examples, []
    learned = [example for index, example in enumerate(examples) if (index + 1) % step]
    return learned, examples[step - 1 :: step]


def _example(line: bytes) -> Example:
    if len(line) > _MAX_LINE_BYTES:
        raise _WrongLine(f"is longer than {_MAX_LINE_BYTES >> 20} MB")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _WrongLine(f"is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise _WrongLine("is no JSON object")
    if "messages" in value:
        return _from_messages(value["messages"])
    if "prompt" in value or "completion" in value:
        prompt = _text(value, "prompt")
        return Example((ChatMessage(Role.USER, prompt),), _text(value, "completion"))
    if "text" in value:
        return Example((), _text(value, "text"))
    raise _WrongLine('has neither "messages" nor "prompt" nor "text"')


def _from_messages(messages: Any) -> Example:
    if not isinstance(messages, list) or len(messages) < 2:
        raise _WrongLine('"messages" must be a list of at least two')
    read = [_message(message, number) for number, message in enumerate(messages, start=1)]
    if read[-1].role is not Role.ASSISTANT:
        raise _WrongLine("the last message must be the assistant's")
    return Example(tuple(read[:-1]), read[-1].content)


def _message(message: Any, number: int) -> ChatMessage:
    if not isinstance(message, dict):
        raise _WrongLine(f"message {number} is no object")
    role = message.get("role")
    if role not in (Role.SYSTEM, Role.USER, Role.ASSISTANT):
        raise _WrongLine(f"message {number} has the role {str(role)[:40]!r}")
    return ChatMessage(Role(role), _text(message, "content", f" of message {number}"))


def _text(value: dict[str, Any], key: str, where: str = "") -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text.strip():
        raise _WrongLine(f'"{key}"{where} must be a text that is not empty')
    return text
