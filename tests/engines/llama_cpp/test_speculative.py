from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engines.events import FinishReason
from engines.speculative.drafters import FILE_LOOKUP
from engines.types import SamplingParams
from tests.engines.llama_cpp.pair import DemoPair
from tests.engines.speculative.forced import ForcedRecord

pytestmark = pytest.mark.model

QUESTIONS = (
    "Write a Python function that adds two numbers.",
    "Explain what a list comprehension is.",
    "Write a class Stack with push and pop, with docstrings.",
)


@pytest.fixture(params=[1, 2, 3, 7, 11])
def drafting(pair: DemoPair, request: pytest.FixtureRequest) -> Iterator[DemoPair]:
    yield from forced(pair, request.param)


@pytest.fixture
def drafting_three(pair: DemoPair) -> Iterator[DemoPair]:
    yield from forced(pair, 3)


def forced(pair: DemoPair, depth: int) -> Iterator[DemoPair]:
    learned = pair.loaded.speculation
    pair.loaded.speculation = ForcedRecord(depth)
    yield pair
    pair.loaded.speculation = learned


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
    for _ in range(4):
        next(events)
    events.close()  # type: ignore[attr-defined]
    plain = drafting.answer(drafting.request(QUESTIONS[0], cache_key="other", use_draft=False))
    again = drafting.answer(drafting.request(QUESTIONS[0], use_draft=False))
    assert again.text == plain.text


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(temperature=0.8, top_k=40, repetition_penalty=1.1, seed=11),
        SamplingParams(temperature=0.0, presence_penalty=0.5, frequency_penalty=0.3),
    ],
)
def test_a_seed_and_penalties_write_the_same_text_with_a_draft(
    drafting_three: DemoPair, sampling: SamplingParams
) -> None:
    pair = drafting_three
    request = pair.request(QUESTIONS[1], sampling=sampling)
    drafted = pair.answer(request)
    pair.engine.forget("chat")
    plain = pair.answer(replace(request, use_draft=False))
    assert drafted.finished.stats.drafted_tokens > 0
    assert drafted.text == plain.text


def test_the_file_being_rewritten_is_the_draft(drafting_three: DemoPair) -> None:
    pair = drafting_three
    request = pair.request(QUESTIONS[2])
    plain = pair.answer(replace(request, use_draft=False))
    pair.engine.forget("chat")
    answer = pair.answer(replace(request, references=("# A file", plain.text)))
    assert answer.text == plain.text
    by_drafter = {count.drafter: count for count in answer.finished.stats.draft_counts}
    assert by_drafter[FILE_LOOKUP].accepted_tokens > 0
    stats = answer.finished.stats
    assert sum(count.drafted_tokens for count in by_drafter.values()) == stats.drafted_tokens
    assert sum(count.accepted_tokens for count in by_drafter.values()) == stats.accepted_tokens


def test_without_drafts_nothing_is_drafted(drafting_three: DemoPair) -> None:
    answer = drafting_three.answer(
        drafting_three.request(QUESTIONS[2], references=("class Stack:",), use_draft=False)
    )
    assert answer.finished.stats.drafted_tokens == 0
    assert answer.finished.stats.draft_counts == ()


def test_a_draft_model_that_read_only_the_end_drafts_too(pair: DemoPair) -> None:
    ids, _ = pair.loaded.model.vocabulary.encode((pair.prompt(QUESTIONS[2]),))
    pair.drafter.begin("chat", ids, lambda: False)
    whole = pair.drafter.propose(ids, 4, len(ids))
    pair.drafter.begin("other", [], lambda: False)
    assert len(pair.drafter.propose(ids, 4, 8)) == 4
    assert len(pair.drafter.cache.token_ids) == 8 + 3
    pair.drafter.begin("third", ids, lambda: False)
    assert pair.drafter.propose(ids, 4, len(ids)) == whole
    longer = [*ids, *whole[:2], 11]
    assert pair.drafter.unread_tokens(longer) == 1


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
