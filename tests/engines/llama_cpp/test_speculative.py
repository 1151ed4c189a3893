from __future__ import annotations

from dataclasses import replace

import pytest

from engines.events import FinishReason
from engines.speculative.depth import DraftDepth
from engines.types import SamplingParams
from tests.engines.llama_cpp.pair import DemoPair

pytestmark = pytest.mark.model

QUESTIONS = (
    "Write a Python function that adds two numbers.",
    "Explain what a list comprehension is.",
    "Write a class Stack with push and pop, with docstrings.",
)


class FixedDepth(DraftDepth):
    """Drafts the same number of tokens in every step, whatever it costs."""

    def __init__(self, depth: int) -> None:
        super().__init__(max(depth, 1))
        self.fixed_depth = depth

    def next_depth(self) -> int:
        return self.fixed_depth


@pytest.fixture(params=[1, 2, 4, 8])
def drafting(pair: DemoPair, request: pytest.FixtureRequest) -> DemoPair:
    pair.drafter.depth = FixedDepth(request.param)
    return pair


def sequence_is_consistent(pair: DemoPair, token_ids: tuple[int, ...]) -> bool:
    held = tuple(pair.cache.token_ids)
    return held == token_ids[: len(held)] and len(held) >= len(token_ids) - 1


@pytest.mark.parametrize("question", QUESTIONS)
def test_greedy_text_is_the_same_with_a_draft(drafting: DemoPair, question: str) -> None:
    plain = drafting.answer(drafting.request(question, use_draft=False))
    drafting.engine.forget("chat")
    drafted = drafting.answer(drafting.request(question))
    assert drafted.text == plain.text
    assert drafted.finished.reason is plain.finished.reason
    assert drafted.finished.token_ids == plain.finished.token_ids
    stats = drafted.finished.stats
    assert 0 < stats.accepted_tokens <= stats.drafted_tokens
    assert sequence_is_consistent(drafting, drafted.finished.token_ids)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_a_limit_within_accepted_tokens_is_kept(drafting: DemoPair, limit: int) -> None:
    answer = drafting.answer(drafting.request(QUESTIONS[0], max_tokens=limit))
    assert answer.finished.reason is FinishReason.LENGTH
    assert answer.finished.stats.generated_tokens == limit
    assert sequence_is_consistent(drafting, answer.finished.token_ids)


def test_a_stop_text_within_accepted_tokens_ends_the_answer(drafting: DemoPair) -> None:
    plain = drafting.answer(drafting.request(QUESTIONS[0], use_draft=False))
    drafting.engine.forget("chat")
    answer = drafting.answer(drafting.request(QUESTIONS[0], stop=("return",)))
    assert answer.finished.reason is FinishReason.STOP
    assert answer.text == plain.text[: plain.text.index("return")]
    assert sequence_is_consistent(drafting, answer.finished.token_ids)


def test_cancelling_within_accepted_tokens_keeps_the_cache_true(drafting: DemoPair) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 12

    answer = drafting.answer(drafting.request(QUESTIONS[0]), cancelled)
    assert answer.finished.reason is FinishReason.CANCELLED
    assert sequence_is_consistent(drafting, answer.finished.token_ids)


def test_an_abandoned_generation_keeps_the_cache_true(drafting: DemoPair) -> None:
    events = drafting.engine.generate(drafting.request(QUESTIONS[0]), lambda: False)
    for _ in range(12):
        next(events)
    events.close()  # type: ignore[attr-defined]
    plain = drafting.answer(drafting.request(QUESTIONS[0], cache_key="other", use_draft=False))
    again = drafting.answer(drafting.request(QUESTIONS[0], use_draft=False))
    assert again.text == plain.text


def test_a_seed_writes_the_same_text_with_a_draft(pair: DemoPair) -> None:
    sampling = SamplingParams(temperature=0.8, top_k=40, repetition_penalty=1.1, seed=11)
    pair.drafter.depth = FixedDepth(4)
    request = pair.request(QUESTIONS[1], sampling=sampling)
    drafted = pair.answer(request)
    pair.engine.forget("chat")
    plain = pair.answer(replace(request, use_draft=False))
    assert drafted.finished.stats.drafted_tokens > 0
    assert drafted.text == plain.text


def test_the_next_turn_continues_a_drafted_answer(drafting: DemoPair) -> None:
    first = drafting.answer(drafting.request(QUESTIONS[0]))
    addition = drafting.info.eos_token + "\n" + drafting.prompt("Now subtract.")
    request = drafting.request("", prompt=(first.finished.token_ids, addition))
    second = drafting.answer(request)
    assert second.finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    fresh = drafting.answer(replace(request, cache_key="third", use_draft=False))
    assert second.text == fresh.text


def test_a_question_of_a_second_chat_does_not_mix_up_the_draft(drafting: DemoPair) -> None:
    first = drafting.answer(drafting.request(QUESTIONS[0]))
    drafting.answer(drafting.request(QUESTIONS[1], cache_key="other"))
    again = drafting.answer(drafting.request(QUESTIONS[0]))
    assert again.text == first.text
    assert again.finished.stats.accepted_tokens > 0
