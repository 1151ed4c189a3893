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
    pair = load(model=str(path), draft_model="demo:draft")
    yield pair
    pair.engine.close()


def test_its_cache_does_not_grow(mamba: DemoPair) -> None:
    assert mamba.info.kv_bytes_per_token == 0
    assert mamba.info.kv_fixed_bytes > 0
    assert mamba.info.kv_cache_bytes(10) == mamba.info.kv_cache_bytes(1000)
    assert "cannot take drafts back" in mamba.info.draft_refused


def test_an_appended_turn_reuses_the_state(mamba: DemoPair) -> None:
    first = mamba.answer(mamba.request("Say hello.", max_tokens=12))
    request = mamba.request("", prompt=(first.finished.token_ids, mamba.prompt("Go on.")))
    second = mamba.answer(request)
    assert second.finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    fresh = mamba.answer(replace(request, cache_key="fresh"))
    assert second.text == fresh.text


def test_a_turn_that_goes_back_is_prefilled_anew(mamba: DemoPair) -> None:
    request = mamba.request("Say hello.", max_tokens=12, cache_key="again")
    first = mamba.answer(request)
    again = mamba.answer(request)
    assert again.finished.stats.cached_tokens == 0
    assert again.text == first.text


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
