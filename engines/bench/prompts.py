"""The prompts of the speculation benchmark, rendered with the model's own chat template."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from engines.chat_template import ChatTemplate
from engines.types import ChatMessage, ModelInfo, Role


@cache
def prompt_classes() -> dict[str, tuple[str, ...]]:
    """Prompts by class."""
    text = (files("engines.bench") / "prompt_classes.toml").read_text(encoding="utf-8")
    return {name: tuple(table["prompts"]) for name, table in tomllib.loads(text).items()}


def chat_ids(encode: Callable[[str], list[int]], info: ModelInfo, question: str) -> list[int]:
    """Token ids of a first turn that asks `question`, without reasoning where that can be."""
    template = ChatTemplate(info.chat_template, info.bos_token, info.eos_token)
    reasoning = False if template.can_switch_reasoning else None
    return encode(template.render([ChatMessage(Role.USER, question)], reasoning=reasoning))
