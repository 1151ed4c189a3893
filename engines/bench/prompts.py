"""The prompts of the speculation benchmark, rendered with the model's own chat template."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from engines.chat_template import ChatTemplate
from engines.types import ChatMessage, ModelInfo, Role

COPY_HEAVY = "copy-heavy"
"""The class whose answers are their files, changed a little."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a user writes, and the text of the file attached to it, if any."""

    text: str
    file: str = ""

    @property
    def message(self) -> str:
        return f"{self.text}\n\n```python\n{self.file}```\n" if self.file else self.text


@dataclass(frozen=True, slots=True)
class Prompt:
    """A first turn as token ids, with what the file lookup may draft from."""

    token_ids: tuple[int, ...]
    references: tuple[str, ...] = ()


@cache
def prompt_classes() -> dict[str, tuple[Question, ...]]:
    """Questions by class."""
    text = (files("engines.bench") / "prompt_classes.toml").read_text(encoding="utf-8")
    return {
        name: tuple(Question(each["question"], each.get("file", "")) for each in questions)
        for name, questions in tomllib.loads(text).items()
    }


def chat_prompt(encode: Callable[[str], list[int]], info: ModelInfo, question: Question) -> Prompt:
    """A first turn that asks `question`, without reasoning where that can be."""
    template = ChatTemplate(info.chat_template, info.bos_token, info.eos_token)
    reasoning = False if template.can_switch_reasoning else None
    message = ChatMessage(Role.USER, question.message)
    token_ids = encode(template.render([message], reasoning=reasoning))
    return Prompt(tuple(token_ids), (question.file,) if question.file else ())
