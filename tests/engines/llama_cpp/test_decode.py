"""The order of passes and text, where a GPU computes beside us and where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from engines.events import FinishReason, TextChunk
from engines.llama_cpp.library import llama
from engines.types import SamplingParams
from tests.engines.llama_cpp.pair import DemoPair
from tests.engines.speculative.forced import ForcedRecord

pytestmark = pytest.mark.model

QUESTION = "Write a Python function that adds two numbers."
NEVER = "a text that is not written"
"""With a stop text every token's text is handed on at once."""


@pytest.fixture
def aside(pair: DemoPair) -> Iterator[DemoPair]:
    """Launches passes before text, as on a GPU."""
    pair.cache.context.computes_aside = True
    yield pair
    pair.cache.context.computes_aside = False


def events_in_order(pair: DemoPair, monkeypatch: pytest.MonkeyPatch, **changes: object) -> str:
    """`p` for each pass after the prompt's, `t` for each text."""
    order: list[str] = []
    decode = pair.cache.decode

    def noted(token_ids: Sequence[int], output_rows: int) -> None:
        order.append("p")
        decode(token_ids, output_rows)

    monkeypatch.setattr(pair.cache, "decode", noted)
    request = pair.request(QUESTION, use_draft=False, stop=(NEVER,), **changes)
    for event in pair.engine.generate(request, lambda: False):
        if isinstance(event, TextChunk):
            order.append("t")
    monkeypatch.undo()
    return "".join(order).removeprefix("p")


def test_text_does_not_wait_for_the_next_pass_on_the_cpu(
    pair: DemoPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events_in_order(pair, monkeypatch, max_tokens=4).startswith("tptpt")


def test_the_next_pass_is_launched_before_the_text_beside_a_gpu(
    aside: DemoPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events_in_order(aside, monkeypatch, max_tokens=4).startswith("ptptpt")


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_pass_is_launched_beyond_the_limit(
    aside: DemoPair, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    order = events_in_order(aside, monkeypatch, max_tokens=limit)
    assert order.count("p") == limit - 1


def test_the_text_is_the_same_in_either_order(aside: DemoPair) -> None:
    sampling = SamplingParams(temperature=0.8, repetition_penalty=1.1, seed=3)
    for use_draft in (False, True):
        request = aside.request(QUESTION, sampling=sampling, use_draft=use_draft)
        launched_first = aside.answer(request)
        aside.engine.forget("chat")
        aside.cache.context.computes_aside = False
        written_first = aside.answer(request)
        aside.engine.forget("chat")
        aside.cache.context.computes_aside = True
        assert launched_first.text == written_first.text
        assert launched_first.finished.token_ids == written_first.finished.token_ids


@pytest.mark.parametrize("depth", [1, 3])
def test_drafts_write_the_same_text_beside_a_gpu(aside: DemoPair, depth: int) -> None:
    plain = aside.answer(aside.request(QUESTION, use_draft=False))
    aside.engine.forget("chat")
    learned, aside.loaded.speculation = aside.loaded.speculation, ForcedRecord(depth)
    drafted = aside.answer(aside.request(QUESTION))
    aside.loaded.speculation = learned
    assert drafted.finished.stats.accepted_tokens > 0
    assert drafted.finished.token_ids == plain.finished.token_ids


def test_a_stop_text_leaves_the_cache_with_the_text_and_no_more(aside: DemoPair) -> None:
    plain = aside.answer(aside.request(QUESTION, use_draft=False))
    aside.engine.forget("chat")
    answer = aside.answer(aside.request(QUESTION, use_draft=False, stop=("return",)))
    assert answer.finished.reason is FinishReason.STOP
    assert answer.text == plain.text[: plain.text.index("return")]
    assert aside.cache.token_ids == list(answer.finished.token_ids)


def test_cancelling_keeps_what_was_launched_and_the_next_turn_goes_on_from_it(
    aside: DemoPair,
) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 9

    answer = aside.answer(aside.request(QUESTION, use_draft=False), cancelled)
    token_ids = answer.finished.token_ids
    assert answer.finished.reason is FinishReason.CANCELLED
    assert aside.cache.token_ids == list(token_ids)
    more = aside.answer(aside.request("", prompt=(token_ids, "\n"), use_draft=False))
    assert more.finished.stats.cached_tokens == len(token_ids)


@pytest.mark.parametrize(
    ("gpu_layers", "uses_gpu", "is_offloaded"),
    [(None, True, True), (1_000, True, True), (3, True, False), (0, False, False)],
)
def test_only_a_model_that_is_on_the_gpu_as_a_whole_computes_aside(
    pair: DemoPair,
    monkeypatch: pytest.MonkeyPatch,
    gpu_layers: int | None,
    uses_gpu: bool,
    is_offloaded: bool,
) -> None:
    model = pair.loaded.model
    assert not model.is_offloaded or llama.llama_supports_gpu_offload()
    monkeypatch.setattr(llama, "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(model, "_gpu_layers", gpu_layers)
    assert (model.uses_gpu, model.is_offloaded) == (uses_gpu, is_offloaded)
