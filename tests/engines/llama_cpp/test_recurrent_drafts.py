"""Drafts for models with recurrent state, by snapshots of it or by going back and reading again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engines.events import FinishReason
from engines.speculative.drafters import DRAFT_MODEL
from engines.types import GenerationRequest, SamplingParams
from tests.engines.llama_cpp.pair import Answer, DemoPair, load
from tests.engines.llama_cpp.recurrent import write_lfm2, write_mamba, write_qwen35
from tests.engines.speculative.forced import ForcedRecord, spoiled

pytestmark = pytest.mark.model

WRITERS: dict[str, Callable[[Path], Path]] = {
    "mamba": write_mamba,
    "lfm2": write_lfm2,
    "qwen35": write_qwen35,
}
SNAPSHOTS = {"mamba": 0, "lfm2": 3, "qwen35": 3}


@pytest.fixture(scope="module", params=WRITERS)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoPair]:
    path = tmp_path_factory.mktemp("model") / "model.gguf"
    pair = load(model=str(WRITERS[request.param](path)))
    assert pair.info.draft_refused == ""
    assert pair.cache.rollback_tokens == SNAPSHOTS[request.param]
    yield pair
    pair.engine.close()


def plain(pair: DemoPair, request: GenerationRequest) -> Answer:
    """The answer without drafts, of a cache of its own."""
    pair.engine.forget("plain")
    return pair.answer(replace(request, cache_key="plain", use_draft=False))


def force(pair: DemoPair, depth: int, answer: Answer) -> None:
    """Draft `depth` tokens at a time, from the answer with some tokens exchanged."""
    finished = answer.finished
    answer_ids = finished.token_ids[finished.stats.prompt_tokens - 3 :]
    pair.loaded.speculation = ForcedRecord(depth, spoiled(answer_ids))
    pair.engine.forget("chat")


@pytest.mark.parametrize("depth", [3, 5, 7, 15])
@pytest.mark.parametrize("question", ["Say hello.", "def add(a, b):\n    return a + b\n" * 3])
def test_the_text_is_that_of_plain_decode(model: DemoPair, question: str, depth: int) -> None:
    request = model.request(question)
    expected = plain(model, request)
    force(model, depth, expected)
    drafted = model.answer(request)
    assert drafted.finished.token_ids == expected.finished.token_ids
    stats = drafted.finished.stats
    assert 0 < stats.accepted_tokens < stats.drafted_tokens


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(temperature=0.9, top_k=40, seed=7),
        SamplingParams(temperature=0.0, repetition_penalty=1.3, frequency_penalty=0.2),
    ],
)
@pytest.mark.parametrize("depth", [3, 7])
def test_sampling_and_penalties_are_those_of_plain_decode(
    model: DemoPair, sampling: SamplingParams, depth: int
) -> None:
    request = model.request("Say hello.", sampling=sampling)
    expected = plain(model, request)
    force(model, depth, expected)
    drafted = model.answer(request)
    assert drafted.finished.token_ids == expected.finished.token_ids
    assert drafted.finished.stats.drafted_tokens > 0


@pytest.mark.parametrize("depth", [3, 7])
@pytest.mark.parametrize("asked", [2, 9, 10, 13, 20, 31, 32, 33])
def test_wherever_it_is_cancelled_the_next_turn_goes_on_from_the_text(
    model: DemoPair, asked: int, depth: int
) -> None:
    request = model.request("Say hello.")
    force(model, depth, plain(model, request))
    times = 0

    def cancelled() -> bool:
        nonlocal times
        times += 1
        return times > asked

    first = model.answer(request, cancelled).finished
    assert first.reason is FinishReason.CANCELLED
    going_on = model.request("", prompt=(first.token_ids, model.prompt("Go on.")))
    second = model.answer(going_on)
    assert second.finished.token_ids == plain(model, going_on).finished.token_ids
    assert second.finished.stats.cached_tokens >= first.stats.prompt_tokens - 1


@pytest.mark.parametrize("depth", [3, 5])
def test_turn_after_turn_reads_on_from_where_the_last_one_ended(
    model: DemoPair, depth: int
) -> None:
    ids: tuple[int, ...] = ()
    for number in range(4):
        request = model.request("", prompt=(ids, f"\ndef f{number}(x):\n"), max_tokens=30)
        expected = plain(model, request).finished
        answer_ids = expected.token_ids[expected.stats.prompt_tokens - 3 :]
        model.loaded.speculation = ForcedRecord(depth, spoiled(answer_ids))
        drafted = model.answer(request).finished
        assert drafted.token_ids == expected.token_ids
        assert drafted.stats.drafted_tokens > 0
        assert drafted.stats.cached_tokens >= len(ids) - 16
        ids = drafted.token_ids


def test_a_snapshot_is_not_used_twice_nor_for_an_earlier_pass(model: DemoPair) -> None:
    """The library itself would say yes and return to another state."""
    cache = model.cache
    cache.switch("other", [40])
    cache.decode([40, 41, 42, 43], 0)
    if cache.rollback_tokens:
        assert cache.context.drop_from(3)
    assert not cache.context.drop_from(2)
    cache.truncate(0)
    cache.decode([40, 41, 42], 0)
    cache.decode([43], 0)
    assert not cache.context.drop_from(2)
    cache.truncate(0)


@pytest.mark.parametrize("kind", WRITERS)
def test_such_a_model_can_draft_too(kind: str, tmp_path: Path) -> None:
    path = str(WRITERS[kind](tmp_path / "model.gguf"))
    pair = load(model=path, draft_model=path)
    assert pair.info.draft_name is not None
    request = pair.request("Say hello.", sampling=SamplingParams(temperature=0.7, seed=3))
    expected = plain(pair, request)
    pair.loaded.speculation = ForcedRecord(3)
    drafted = pair.answer(request)
    assert drafted.finished.token_ids == expected.finished.token_ids
    counts = {count.drafter: count for count in drafted.finished.stats.draft_counts}
    assert counts[DRAFT_MODEL].drafted_tokens > counts[DRAFT_MODEL].accepted_tokens
    pair.engine.close()
