"""The training dialogues: what they say is true, parses, and leaves the held-out phrases out."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from random import Random

import pytest

from engines.demo.training.chat import Dialogue, is_trainable, prompt_text
from engines.demo.training.dialogues.concepts import handwritten_dialogues
from engines.demo.training.dialogues.families import is_held_out, trainable_task
from engines.demo.training.dialogues.practical import practical_dialogues
from engines.demo.training.dialogues.synthetic import synthetic_dialogues
from engines.demo.training.dialogues.tasks import TASKS, Task
from engines.demo.training.source.edits import break_code, rename
from engines.demo.training.source.words import both_forms, gerund, verb_phrase

FENCE = re.compile(r"```python\n(.*?)\n```", re.S)
TOOL_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)
DIALOGUES = [
    *handwritten_dialogues(300, 1),
    *synthetic_dialogues(300, 2),
    *practical_dialogues(300, 3),
]


def answers(dialogue: Dialogue) -> list[str]:
    return [text for role, text in dialogue.messages if role == "assistant"]


def test_every_fenced_answer_is_python() -> None:
    fences = [code for d in DIALOGUES for text in answers(d) for code in FENCE.findall(text)]

    assert len(fences) > 500
    for code in fences:
        ast.parse(code)


def test_every_tool_call_names_an_offered_tool_and_its_parameters() -> None:
    called = 0
    for dialogue in DIALOGUES:
        calls = [json.loads(c) for text in answers(dialogue) for c in TOOL_CALL.findall(text)]
        if not calls:
            continue
        listed = dialogue.messages[0].text.split("<tools>\n")[1].split("\n</tools>")[0]
        tools = {
            tool["function"]["name"]: tool["function"]
            for tool in map(json.loads, listed.split("\n"))
        }
        for call in calls:
            called += 1
            assert set(call["arguments"]) <= set(tools[call["name"]]["parameters"]["properties"])
    assert called > 50


def test_dialogues_alternate_and_end_with_an_answer() -> None:
    for dialogue in DIALOGUES:
        roles = [message.role for message in dialogue.messages if message.role != "system"]
        assert roles[-1] == "assistant"
        assert all((role == "assistant") == (i % 2 == 1) for i, role in enumerate(roles))
        assert is_trainable(dialogue)


def test_dialogues_are_the_same_for_the_same_seed() -> None:
    assert practical_dialogues(20, 4) == practical_dialogues(20, 4)
    assert practical_dialogues(20, 4) != practical_dialogues(20, 5)


@pytest.mark.parametrize("task", [t for t in TASKS if t.usage and "  # " in t.usage])
def test_the_usage_of_a_task_prints_what_its_comment_says(task: Task) -> None:
    source = "\n".join([*task.imports, task.code, task.usage or ""])
    if "input(" in source or source.count("  # ") != 1:
        pytest.skip("asks the user, or shows several results")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, task.name, "exec"), {"__name__": "builtins"})

    assert printed.getvalue().strip() == source.rsplit("  # ", 1)[1].strip()


def test_held_out_phrases_are_never_drawn_for_training() -> None:
    rng = Random(0)
    phrases = {phrase for _ in range(3000) for phrase in trainable_task(rng).phrases}

    assert len(phrases) > 300
    assert not any(is_held_out(phrase) for phrase in phrases)


def test_a_prompt_is_chatml_up_to_the_answer() -> None:
    dialogue = next(d for d in DIALOGUES if any(m.role == "tool" for m in d.messages))
    prompt = prompt_text(dialogue.messages[:-1])

    assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert "<|im_start|>user\n<tool_response>\n" in prompt


def test_broken_code_does_not_parse_and_differs_in_one_line() -> None:
    code = "def twice(items):\n    for item in items:\n        print(len(item))\n    return items"
    found = [broken for seed in range(20) if (broken := break_code(code, Random(seed)))]

    assert len(found) > 10
    for broken in found:
        with pytest.raises(SyntaxError):
            ast.parse(broken.code)
        pairs = zip(broken.code.split("\n"), code.split("\n"), strict=True)
        assert sum(left != right for left, right in pairs) == 1


def test_renaming_leaves_attributes_and_longer_names_alone() -> None:
    assert rename("a.x = x + xs", "x", "y") == "a.x = y + xs"


def test_verb_phrases_have_both_forms() -> None:
    assert verb_phrase("Return the sum.") == ("return the sum", "returns the sum")
    assert verb_phrase("Copies a file.") == ("copy a file", "copies a file")
    assert verb_phrase("The sum of all items.") is None
    assert both_forms("slugify a title").third == "slugifies a title"
    assert gerund("split a list") == "splitting a list"
