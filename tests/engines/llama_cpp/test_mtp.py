"""Drafts by the model's own prediction head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.events import FinishReason
from engines.llama_cpp import loading
from engines.llama_cpp.head_probe import head_runs
from engines.llama_cpp.hidden_rows import HiddenRows
from engines.llama_cpp.mtp import HEAD_NAME, HeadDrafter
from engines.speculative.drafters import DRAFT_MODEL
from engines.speculative.file_lookup import FileLookup
from engines.stats import DraftCount
from engines.types import SamplingParams
from tests.engines.llama_cpp.pair import Answer, DemoPair, load
from tests.engines.llama_cpp.recurrent import write_qwen35
from tests.engines.speculative.forced import ForcedRecord, spoiled

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def random_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoPair]:
    """Its predictions are nearly all refused."""
    path = write_qwen35(tmp_path_factory.mktemp("model") / "random.gguf", predicted=1)
    pair = load(model=str(path))
    yield pair
    pair.engine.close()


@pytest.fixture(scope="module")
def good_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoPair]:
    """Its predictions are right."""
    path = tmp_path_factory.mktemp("model") / "good.gguf"
    pair = load(model=str(write_qwen35(path, predicted=1, foresees=True)))
    yield pair
    pair.engine.close()


def head_of(pair: DemoPair) -> HeadDrafter:
    drafter = pair.loaded.drafter
    assert isinstance(drafter, HeadDrafter)
    return drafter


def by_head(answer: Answer) -> DraftCount:
    return {count.drafter: count for count in answer.finished.stats.draft_counts}[DRAFT_MODEL]


def test_a_file_with_a_head_is_drafted_for_without_a_draft_model(random_head: DemoPair) -> None:
    assert random_head.info.draft_name == HEAD_NAME
    assert random_head.info.draft_refused == ""
    assert random_head.loaded.head_bytes < random_head.loaded.model.weights_bytes


def test_a_library_without_the_calls_leaves_the_head_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "nextn", None)
    pair = load(model=str(write_qwen35(tmp_path / "model.gguf", predicted=1)))
    assert pair.info.draft_name is None
    assert "prediction head" in pair.info.draft_refused
    assert pair.answer(pair.request("Say hello.", max_tokens=4)).finished.token_ids
    pair.engine.close()


def test_a_head_that_the_library_cannot_run_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert head_runs(write_qwen35(tmp_path / "with.gguf", predicted=1))
    assert not head_runs(write_qwen35(tmp_path / "without.gguf"))
    monkeypatch.setattr(loading, "head_runs", lambda path: False)
    pair = load(model=str(tmp_path / "with.gguf"))
    assert pair.info.draft_name is None
    assert "prediction head" in pair.info.draft_refused
    assert pair.answer(pair.request("Say hello.", max_tokens=4)).finished.token_ids
    pair.engine.close()


@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize(
    "sampling", [SamplingParams(temperature=0.0), SamplingParams(temperature=0.8, seed=2)]
)
def test_refused_predictions_change_nothing(
    random_head: DemoPair, sampling: SamplingParams, depth: int
) -> None:
    pair = random_head
    request = pair.request("Say hello.", sampling=sampling)
    plain = pair.answer(replace(request, use_draft=False, cache_key="plain"))
    pair.engine.forget("plain")
    pair.loaded.speculation = ForcedRecord(depth)
    drafted = pair.answer(request)
    pair.engine.forget("chat")
    assert drafted.finished.token_ids == plain.finished.token_ids
    assert by_head(drafted).accepted_tokens < by_head(drafted).drafted_tokens


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_right_predictions_are_taken(good_head: DemoPair, depth: int) -> None:
    pair = good_head
    request = pair.request("Say hello.")
    plain = pair.answer(replace(request, use_draft=False, cache_key="plain"))
    pair.engine.forget("plain")
    assert len(set(plain.finished.token_ids)) > 60
    pair.loaded.speculation = ForcedRecord(depth)
    drafted = pair.answer(request)
    pair.engine.forget("chat")
    assert drafted.finished.token_ids == plain.finished.token_ids
    count = by_head(drafted)
    assert count.accepted_tokens == count.drafted_tokens >= 30


def test_the_head_reads_the_same_however_the_text_came_about(random_head: DemoPair) -> None:
    """Prefilled, decoded plainly and verified in drafts, half of them refused."""
    pair, head = random_head, head_of(random_head)
    request = pair.request("Say hello.")
    plain = pair.answer(replace(request, use_draft=False, cache_key="plain")).finished
    pair.engine.forget("plain")
    answer_ids = plain.token_ids[plain.stats.prompt_tokens - 3 :]
    pair.loaded.speculation = Alternating(3, spoiled(answer_ids))
    finished = pair.answer(request).finished
    assert {count.drafter for count in finished.stats.draft_counts} == {DRAFT_MODEL, "file lookup"}
    ids = list(finished.token_ids)
    grown = head.propose(ids, 2, len(ids))
    hidden = head._rows.before(len(ids) - 1, 1)
    pair.engine.forget("chat")
    head.begin("other", [], lambda: False)
    pair.cache.switch("other", ids[:-1])
    pair.cache.decode(ids[:-1], 0)
    head.follow(ids[:-1])
    assert len(head.cache.token_ids) == len(ids) - 1
    fresh = head._rows.before(len(ids) - 1, 1)
    assert hidden is not None
    assert fresh is not None
    np.testing.assert_allclose(hidden, fresh, atol=1e-3)
    assert head.propose(ids, 2, len(ids)) == grown
    pair.engine.forget("other")


class Alternating(ForcedRecord):
    """Lets the file lookup draft now, the head then."""

    def file_lookup(self, references: object, tokenize: object) -> FileLookup | None:
        return FileLookup([self._file_ids])


@pytest.mark.parametrize("asked", [2, 9, 10, 11, 20, 31])
def test_wherever_it_is_cancelled_the_next_turn_goes_on(good_head: DemoPair, asked: int) -> None:
    pair = good_head
    pair.loaded.speculation = ForcedRecord(3)
    times = 0

    def cancelled() -> bool:
        nonlocal times
        times += 1
        return times > asked

    first = pair.answer(pair.request("Say hello."), cancelled).finished
    assert first.reason is FinishReason.CANCELLED
    going_on = pair.request("", prompt=(first.token_ids, pair.prompt("Go on.")))
    second = pair.answer(going_on)
    plain = pair.answer(replace(going_on, use_draft=False, cache_key="plain"))
    assert second.finished.token_ids == plain.finished.token_ids
    assert second.finished.stats.cached_tokens >= first.stats.prompt_tokens - 1
    assert by_head(second).accepted_tokens > 0
    for key in ("chat", "plain"):
        pair.engine.forget(key)


def test_another_conversation_in_between_only_costs_what_the_head_knew(good_head: DemoPair) -> None:
    pair = good_head
    pair.loaded.speculation = ForcedRecord(3)
    first = pair.answer(pair.request("Say hello.", cache_key="one"))
    pair.answer(pair.request("Something else.", cache_key="two"))
    going_on = pair.request(
        "", prompt=(first.finished.token_ids, pair.prompt("Go on.")), cache_key="one"
    )
    second = pair.answer(going_on)
    assert second.finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    assert by_head(second).accepted_tokens > 0
    for key in ("one", "two"):
        pair.engine.forget(key)


def rows(*numbers: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array([[number] for number in numbers], dtype=np.float32)


def test_hidden_rows_stand_before_the_token_that_follows_them() -> None:
    kept = HiddenRows(1)
    kept.add(0, [7, 8, 9], rows(70, 80, 90))
    found = kept.before(0, 3)
    assert found is not None
    assert found.tolist() == [[0], [70], [80]]
    kept.add(2, [5], rows(50))
    found = kept.before(2, 2)
    assert found is not None
    assert found.tolist() == [[80], [50]]
    assert kept.before(3, 2) is None


def test_hidden_rows_of_another_text_are_dropped() -> None:
    kept = HiddenRows(1)
    kept.add(4, [7, 8, 9], rows(70, 80, 90))
    assert kept.before(4, 1) is None
    kept.keep_prefix_of([1, 1, 1, 1, 7, 8, 6])
    assert (kept.first, kept.end) == (4, 6)
    kept.forget_before(5)
    assert (kept.first, kept.end) == (5, 6)
    kept.add(9, [3], rows(30))
    assert (kept.first, kept.end) == (9, 10)
