"""Renders a model's own chat template, the same way for every engine."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engines.errors import ChatTemplateError
from engines.text_stream import TagPair
from engines.types import ChatMessage, Role, ToolSpec

PLAIN_TEMPLATE = """\
{%- for message in messages -%}
{{ message.role | capitalize }}: {{ message.content }}

{% endfor -%}
{%- if add_generation_prompt -%}Assistant:{%- endif -%}"""
"""For models that bring no chat template."""

REASONING_TAGS: tuple[TagPair, ...] = (
    ("<think>", "</think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
)
TOOL_CALL_TAGS: tuple[TagPair, ...] = (("<tool_call>", "</tool_call>"),)

_CONTROL_TOKEN = re.compile(
    r"<[|\uff5c][^<>\n]{1,40}[|\uff5c]>|</?(?:start|end)_of_\w{1,20}>|\[/?[A-Z_]{3,20}\]|</?s>"
)
_WORD_JOINER = "\u2060"


class ChatTemplate:
    """A chat template and the tags it declares.

    Args:
        source: Jinja source; empty stands for `PLAIN_TEMPLATE`.
        bos_token: Text of the begin-of-sequence token, as the template expects it.
        eos_token: The same for the end of a sequence.
        reasoning_effort: `low`, `medium` or `high`, for templates that ask for it; None leaves
            their own default.
    """

    def __init__(
        self,
        source: str,
        bos_token: str = "",
        eos_token: str = "",
        reasoning_effort: str | None = None,
    ) -> None:
        self.source = source or PLAIN_TEMPLATE
        self.reasoning_effort = reasoning_effort
        self.bos_token = bos_token
        self.eos_token = eos_token

    @property
    def reasoning_tags(self) -> TagPair | None:
        return self._declared(REASONING_TAGS)

    @property
    def tool_call_tags(self) -> TagPair | None:
        return self._declared(TOOL_CALL_TAGS)

    @property
    def can_switch_reasoning(self) -> bool:
        return "enable_thinking" in self.source

    def render(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[ToolSpec] = (),
        reasoning: bool | None = None,
    ) -> str:
        """The prompt text up to the point where the assistant speaks.

        Args:
            messages: The conversation, oldest first.
            tools: Tools to offer; none leaves them out of the template.
            reasoning: Ask for or suppress reasoning, where the template can; None leaves its own
                default.

        Raises:
            ChatTemplateError: the template does not compile, or refuses these messages.
        """
        options: dict[str, Any] = {} if reasoning is None else {"enable_thinking": reasoning}
        if self.reasoning_effort is not None:
            options["reasoning_effort"] = self.reasoning_effort
        try:
            text: str = self._template.render(
                messages=[self._fields(message) for message in messages],
                tools=[_tool_fields(tool) for tool in tools] or None,
                add_generation_prompt=True,
                bos_token=self.bos_token,
                eos_token=self.eos_token,
                **options,
            )
            return text
        except ChatTemplateError:
            raise
        except Exception as error:  # a template is the model's code and may raise anything
            raise ChatTemplateError(
                f"The model's chat template failed: {_one_line(error)}.",
                "Use another model, or a build of this one with a repaired template.",
            ) from error

    @cached_property
    def _template(self) -> Any:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = _strftime_now
        return environment.from_string(self.source)

    @cached_property
    def _control_tokens(self) -> re.Pattern[str]:
        """What ends or begins a turn: a text that contains it could speak for somebody else."""
        tokens = set(_CONTROL_TOKEN.findall(self.source)) | {self.bos_token, self.eos_token}
        found = sorted(filter(None, tokens), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, found)) or r"(?!)")

    def _fields(self, message: ChatMessage) -> dict[str, Any]:
        """The message for the template; control tokens in texts from outside are taken apart."""
        fields = _message_fields(message)
        if message.role is not Role.SYSTEM:
            fields["content"] = self._control_tokens.sub(
                lambda found: found[0][0] + _WORD_JOINER + found[0][1:], message.content
            )
        return fields

    def _declared(self, candidates: Sequence[TagPair]) -> TagPair | None:
        return next((tags for tags in candidates if tags[1] in self.source), None)


def _message_fields(message: ChatMessage) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": str(message.role), "content": message.content}
    if message.tool_calls:
        fields["tool_calls"] = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return fields


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _tool_fields(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def _to_json(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.datetime.now().strftime(pattern)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
