from __future__ import annotations

import pytest

from conversation.template_delta import ChatTurn, NoTurnBoundary, TurnRenderer
from engines.chat_template import ChatTemplate
from engines.demo import demo_model_path
from engines.model_files.gguf import read_header
from engines.types import ChatMessage, Role, ToolCall, ToolSpec
from tests.conversation.templates import (
    CHATML,
    FORGETS_LATER_ANSWERS,
    LLAMA,
    MISTRAL,
    REPEATS_ANSWERS,
    SHOUTS,
    STRIPS_REASONING,
)

TOOL = ToolSpec("read_file", "Read a file.", {"type": "object", "properties": {}})


def user_turn(text: str, answer: str = "", *calls: ToolCall) -> ChatTurn:
    return ChatTurn((ChatMessage(Role.USER, text),), answer, calls)


TURNS = [
    user_turn("Hello", "Hello! What can I do?"),
    user_turn("Add 1 and 2", "That is\n\n```\n3\n```"),
    user_turn("Thanks"),
]


def embedded_template() -> ChatTemplate:
    path = demo_model_path("demo:target")
    assert path is not None
    return ChatTemplate(read_header(path).chat_template, "<|endoftext|>", "<|im_end|>")


def by_turns(renderer: TurnRenderer, turns: list[ChatTurn]) -> list[str]:
    earlier = [renderer.finished(turn, index == 0) for index, turn in enumerate(turns[:-1])]
    return [*earlier, renderer.prompt(turns[-1], is_opening=not earlier)]


@pytest.mark.parametrize(
    "template",
    [
        embedded_template(),
        ChatTemplate(CHATML),
        ChatTemplate(MISTRAL, "<s>", "</s>"),
        ChatTemplate(LLAMA, "<|begin_of_text|>", "<|eot_id|>"),
        ChatTemplate(STRIPS_REASONING),
        ChatTemplate(""),
    ],
    ids=["embedded", "ChatML", "Mistral", "Llama", "reasoning", "plain"],
)
@pytest.mark.parametrize("system_prompt", ["", "Be kind."])
def test_the_turns_joined_are_what_the_template_writes(
    template: ChatTemplate, system_prompt: str
) -> None:
    renderer = TurnRenderer(template, system_prompt)
    assert "".join(by_turns(renderer, TURNS)) == renderer.whole(TURNS)
    assert system_prompt in renderer.whole(TURNS)


def test_tools_and_tool_calls_of_the_embedded_template_are_carried() -> None:
    result = ChatTurn((ChatMessage(Role.TOOL, "print(1)"),), "It prints 1.")
    call = ToolCall("read_file", '{"path": "a.py"}')
    turns = [user_turn("What does a.py do?", "I look.", call), result, user_turn("Thanks")]
    renderer = TurnRenderer(embedded_template(), "Be kind.", (TOOL,))
    assert "".join(by_turns(renderer, turns)) == renderer.whole(turns)
    assert '<tool_call>\n{"name": "read_file"' in by_turns(renderer, turns)[0]


def test_a_later_turn_begins_with_the_end_of_the_answer_before() -> None:
    renderer = TurnRenderer(embedded_template(), "Be kind.")
    assert renderer.prompt(TURNS[-1], is_opening=False) == (
        "<|im_end|>\n<|im_start|>user\nThanks<|im_end|>\n<|im_start|>assistant\n"
    )


def test_suppressed_reasoning_is_part_of_the_newest_turn_only() -> None:
    renderer = TurnRenderer(embedded_template(), reasoning=False)
    first, _, newest = by_turns(renderer, TURNS)
    assert "<think>" not in first
    assert newest.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_template_without_a_system_role_gets_it_before_the_first_text() -> None:
    renderer = TurnRenderer(ChatTemplate(MISTRAL, "<s>", "</s>"), "Be kind.")
    first, _, newest = by_turns(renderer, TURNS)
    assert first.startswith("<s>[INST] Be kind.\n\nHello [/INST]")
    assert "Be kind." not in newest


@pytest.mark.parametrize("source", [SHOUTS, REPEATS_ANSWERS])
def test_a_template_that_does_not_carry_an_answer_once_has_no_turn_boundary(source: str) -> None:
    renderer = TurnRenderer(ChatTemplate(source))
    with pytest.raises(NoTurnBoundary):
        renderer.prompt(TURNS[-1], is_opening=False)
    with pytest.raises(NoTurnBoundary):
        renderer.finished(TURNS[0], is_opening=True)


def test_an_answer_that_the_template_leaves_out_is_noticed() -> None:
    renderer = TurnRenderer(ChatTemplate(FORGETS_LATER_ANSWERS))
    assert TURNS[0].answer in renderer.finished(TURNS[0], is_opening=True)
    with pytest.raises(NoTurnBoundary):
        renderer.finished(TURNS[1], is_opening=False)
