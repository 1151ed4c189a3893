"""What judges the demonstration models: running answers, counting, and the shipped pair itself."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from engines.demo import demo_model_path
from engines.demo.evaluation.__main__ import main
from engines.demo.evaluation.answers import ENGINE, Answer, Model
from engines.demo.evaluation.execution import Check, verdict
from engines.demo.evaluation.figures import Share, acceptance, has_call, parse_outcomes, shares
from engines.demo.evaluation.questions import Question, common_tasks, unseen_tasks
from engines.demo.training.chat import prompt_text, user
from engines.registry import why_unavailable

DOUBLE = Check("def double(n):\n    return n * 2", "double", ["(2,)", "(-3,)"])
MAX_BYTES_OF_THE_PAIR = 45_000_000
needs_llama_cpp = pytest.mark.skipif(
    why_unavailable(ENGINE) is not None, reason="llama.cpp is not installed"
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def double(n):\n    return n + n", "right"),
        ("def other_name(n):\n    return 2 * n", "right"),
        ("def double(n):\n    return n ** 2", "wrong"),
        ("def double(n):\n    return m", "error"),
        ("def double(n) return n", "error"),
        ("def double(n):\n    return open('x')", "error"),
        ("def double(n):\n    return ().__class__", "error"),
        ("import os\n\n\ndef double(n):\n    return os.sep", "error"),
        ("def double(n):\n    return ' ' * 10 ** 12", "error"),
    ],
)
def test_a_function_is_judged_by_what_it_returns(code: str, expected: str) -> None:
    assert verdict(code, DOUBLE) == expected


def test_a_function_that_does_not_return_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.demo.evaluation.execution.TIME_LIMIT_S", 0.5)

    assert verdict("def double(n):\n    while True:\n        pass", DOUBLE) == "timeout"


def test_the_references_of_the_tasks_are_right_by_their_own_measure() -> None:
    questions = [*common_tasks()[:6], *unseen_tasks(6)]

    assert len(questions) == 12
    for question in questions:
        assert question.check
        assert verdict(question.check.reference, question.check) == "right"


def test_shares_count_by_group() -> None:
    assert shares([("a", True), ("a", False), ("b", True)]) == {"a": Share(1, 2), "b": Share(1, 1)}


def test_only_closed_python_fences_are_parsed() -> None:
    texts = ["```python\nx = 1\n```", "```python\nx =\n```", "```python\nx = ", "no code"]
    outcomes = parse_outcomes([Answer(text, (), (), True) for text in texts])

    assert [good for _, good in outcomes] == [True, False]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('<tool_call>\n{"name": "read", "arguments": {"path": "a.py"}}\n</tool_call>', True),
        ('<tool_call>\n{"name": "read", "arguments": {"path": "b.py"}}\n</tool_call>', False),
        ('<tool_call>\n{"name": "read", "arguments": []}\n</tool_call>', False),
        ('<tool_call>\n{"name": "read"\n</tool_call>', False),
        ("I cannot read files.", False),
    ],
)
def test_a_tool_call_needs_the_name_and_the_first_argument(text: str, good: bool) -> None:
    question = Question("tool calls", "", expected=("read", "a.py"))

    assert has_call(question, Answer(text, (), (), True)) is good


@needs_llama_cpp
@pytest.mark.model
def test_the_shipped_pair_answers_and_the_draft_agrees() -> None:
    target, draft = demo_model_path("demo:target"), demo_model_path("demo:draft")
    assert target
    assert draft
    assert target.stat().st_size + draft.stat().st_size <= MAX_BYTES_OF_THE_PAIR
    prompt = prompt_text([user("Write a Python function that returns the last element of a list.")])
    with Model(target, 1024) as model:
        answer = model.answer(prompt)
    assert answer.ended
    assert "```python\ndef " in answer.text
    with Model(draft, 1024) as model:
        share = acceptance(model, [answer])
    assert 0.3 < share.part / share.whole <= 1


@needs_llama_cpp
@pytest.mark.model
def test_the_command_prints_every_figure_of_the_card() -> None:
    result = CliRunner().invoke(main, ["--tasks", "2", "--json"])

    assert result.exit_code == 0, result.output
    figures = json.loads(result.output)
    names = set(figures["shares"])
    assert {"fenced Python that parses", "answers that end, all", "accepted, all"} <= names
    assert figures["shares"]["functions right, unseen simple tasks"]["whole"] == 2
    assert figures["size_bytes"]["target"] > figures["size_bytes"]["draft"]
