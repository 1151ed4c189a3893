from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.engines.llama_cpp.pair import DemoPair, load
from tests.engines.llama_cpp.recurrent import write_mamba

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def mamba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoPair]:
    path = write_mamba(tmp_path_factory.mktemp("model") / "mamba.gguf")
    pair = load(model=str(path))
    yield pair
    pair.engine.close()


def test_its_cache_does_not_grow(mamba: DemoPair) -> None:
    assert mamba.info.kv_bytes_per_token == 0
    assert mamba.info.kv_fixed_bytes > 0
    assert mamba.info.kv_cache_bytes(10) == mamba.info.kv_cache_bytes(1000)


def test_an_appended_turn_reuses_the_state(mamba: DemoPair) -> None:
    first = mamba.answer(mamba.request("Say hello.", max_tokens=12))
    request = mamba.request("", prompt=(first.finished.token_ids, mamba.prompt("Go on.")))
    second = mamba.answer(request)
    assert second.finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    fresh = mamba.answer(replace(request, cache_key="fresh"))
    assert second.text == fresh.text


def test_another_answer_begins_at_the_end_of_the_prompt(mamba: DemoPair) -> None:
    request = mamba.request("Say hello.", max_tokens=12, cache_key="again")
    first = mamba.answer(request)
    again = mamba.answer(request)
    assert again.finished.stats.cached_tokens == again.finished.stats.prompt_tokens - 1
    assert again.text == first.text


def test_a_branch_goes_back_to_the_end_of_a_turn(mamba: DemoPair) -> None:
    first = mamba.answer(mamba.request("Say hello.", max_tokens=12, cache_key="branch"))
    ids = first.finished.token_ids
    for text in ("Go on.", "And on."):
        request = mamba.request(
            "", prompt=(ids, mamba.prompt(text)), max_tokens=12, cache_key="branch"
        )
        ids = mamba.answer(request).finished.token_ids
    branch = mamba.request(
        "", prompt=(first.finished.token_ids, mamba.prompt("Stop.")), cache_key="branch"
    )
    cut = mamba.answer(branch)
    assert cut.finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    assert cut.text == mamba.answer(replace(branch, cache_key="fresh")).text


def test_a_turn_that_goes_back_beyond_every_mark_is_prefilled_anew(mamba: DemoPair) -> None:
    long = mamba.request("Say hello to everybody.", max_tokens=12, cache_key="beyond")
    mamba.answer(long)
    other = mamba.request("Say nothing at all.", max_tokens=12, cache_key="beyond")
    assert mamba.answer(other).finished.stats.cached_tokens == 0


def test_a_parked_state_comes_back(mamba: DemoPair) -> None:
    first = mamba.answer(mamba.request("Say hello.", max_tokens=12, cache_key="one"))
    mamba.answer(mamba.request("Something else.", max_tokens=12, cache_key="two"))
    request = mamba.request(
        "", prompt=(first.finished.token_ids, mamba.prompt("Go on.")), cache_key="one"
    )
    back = mamba.answer(request)
    assert back.finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    mamba.engine.forget("one")
    mamba.engine.forget("two")
    assert mamba.answer(request).text == back.text
