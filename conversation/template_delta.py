"""What one turn adds to a prompt, cut out of a chat template's own rendering.

A template only renders whole conversations. Where an answer stands is found by rendering a marker
in its place: what follows the marker is what the next turn adds, and begins with the template's own
end-of-turn text. A template that does not carry the marker through exactly once raises
`NoTurnBoundary`, and its prompts are rendered whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from engines.chat_template import ChatTemplate
from engines.errors import ChatTemplateError
from engines.types import ChatMessage, Role, ToolCall, ToolSpec

_EARLIER_ANSWER = "EARLIER-ANSWER-5d1c7e02b94f4a36"
_THIS_ANSWER = "THIS-ANSWER-e83f60a17c2d4b95"
_SOMETHING = ChatMessage(Role.USER, "x")


class NoTurnBoundary(Exception):
    """The template does not show where a turn ends."""


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """What is said to the model, and what it answered; the last turn's answer is still to come."""

    inputs: tuple[ChatMessage, ...]
    answer: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class TurnRenderer:
    """Renders turns one by one, or all of them at once, with one set of options.

    Args:
        template: The model's chat template.
        system_prompt: Empty for none. A template without a place for it gets it as the beginning
            of the first message.
    """

    def __init__(
        self,
        template: ChatTemplate,
        system_prompt: str = "",
        tools: Sequence[ToolSpec] = (),
        reasoning: bool | None = None,
    ) -> None:
        self._template = template
        self._system_prompt = system_prompt
        self._tools = tools
        self._reasoning = reasoning

    def prompt(self, turn: ChatTurn, is_opening: bool) -> str:
        """Text that the newest turn adds, up to where its answer begins.

        Args:
            is_opening: The turn is the prompt's first one: the system prompt belongs to it.

        Raises:
            NoTurnBoundary: it cannot be told from what stands before it.
            ChatTemplateError: the template refuses it.
        """
        if is_opening:
            return self._render(turn.inputs)
        return self._after_earlier_answer(turn.inputs)

    def finished(self, turn: ChatTurn, is_opening: bool) -> str:
        """The same for an earlier turn with its answer, as the template writes history."""
        answer = ChatMessage(Role.ASSISTANT, _THIS_ANSWER, turn.tool_calls)
        messages = (*turn.inputs, answer, _SOMETHING)
        rendered = self._render(messages) if is_opening else self._after_earlier_answer(messages)
        if not rendered.endswith(self._closing) or rendered.count(_THIS_ANSWER) != 1:
            raise NoTurnBoundary
        return rendered.removesuffix(self._closing).replace(_THIS_ANSWER, turn.answer)

    def whole(self, turns: Sequence[ChatTurn]) -> str:
        """The prompt of all turns at once, as the template alone would write it."""
        messages: list[ChatMessage] = []
        for turn in turns[:-1]:
            answer = ChatMessage(Role.ASSISTANT, turn.answer, turn.tool_calls)
            messages += (*turn.inputs, answer)
        return self._render((*messages, *turns[-1].inputs))

    @cached_property
    def _closing(self) -> str:
        """What the template writes between an answer and the next one to `_SOMETHING`."""
        return self._after_earlier_answer((_SOMETHING,))

    def _after_earlier_answer(self, messages: Sequence[ChatMessage]) -> str:
        earlier = ChatMessage(Role.ASSISTANT, _EARLIER_ANSWER)
        rendered = self._render((_SOMETHING, earlier, *messages))
        _, marker, after = rendered.partition(_EARLIER_ANSWER)
        if not marker or not after or _EARLIER_ANSWER in after:
            raise NoTurnBoundary
        return after

    def _render(self, messages: Sequence[ChatMessage]) -> str:
        if not self._system_prompt:
            return self._template.render(messages, self._tools, self._reasoning)
        if self._takes_system_prompt:
            system = ChatMessage(Role.SYSTEM, self._system_prompt)
            return self._template.render((system, *messages), self._tools, self._reasoning)
        first = messages[0]
        first = ChatMessage(first.role, f"{self._system_prompt}\n\n{first.content}")
        return self._template.render((first, *messages[1:]), self._tools, self._reasoning)

    @cached_property
    def _takes_system_prompt(self) -> bool:
        system = ChatMessage(Role.SYSTEM, self._system_prompt)
        try:
            rendered = self._template.render((system, _SOMETHING), self._tools, self._reasoning)
        except ChatTemplateError:
            return False
        return self._system_prompt.strip() in rendered
