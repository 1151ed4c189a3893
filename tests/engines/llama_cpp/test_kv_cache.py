from __future__ import annotations

from dataclasses import replace

import pytest

from engines.errors import GenerationError, ModelLoadError
from engines.llama_cpp.library import llama
from tests.engines.llama_cpp.pair import DemoPair, load

pytestmark = pytest.mark.model

QUESTION = "Write a Python function that adds two numbers."


def follow_up(pair: DemoPair, token_ids: tuple[int, ...], text: str = "Now subtract.") -> object:
    return (token_ids, pair.info.eos_token + "\n" + pair.prompt(text))


def test_a_parked_cache_comes_back_whole(pair: DemoPair) -> None:
    first = pair.answer(pair.request(QUESTION))
    memory_bytes = pair.engine.memory_bytes()
    pair.answer(pair.request("Say hello.", cache_key="other"))
    assert pair.engine.memory_bytes() > memory_bytes
    request = pair.request("", prompt=follow_up(pair, first.finished.token_ids))
    back = pair.answer(request)
    assert back.finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    fresh = pair.answer(replace(request, cache_key="third"))
    pair.engine.forget("chat")
    pair.engine.forget("third")
    again = pair.answer(request)
    assert back.text == fresh.text == again.text


def test_a_new_key_continues_a_copy_of_the_longest_match(pair: DemoPair) -> None:
    first = pair.answer(pair.request(QUESTION))
    pair.answer(pair.request("Something else entirely.", cache_key="other"))
    branch = pair.request("", prompt=follow_up(pair, first.finished.token_ids), cache_key="third")
    assert pair.answer(branch).finished.stats.cached_tokens >= len(first.finished.token_ids) - 1
    original = pair.request("", prompt=follow_up(pair, first.finished.token_ids, "And multiply."))
    assert pair.answer(original).finished.stats.cached_tokens >= len(first.finished.token_ids) - 1


def test_a_new_key_shares_with_the_live_cache(pair: DemoPair) -> None:
    first = pair.answer(pair.request(QUESTION))
    branch = pair.answer(pair.request(QUESTION, cache_key="other"))
    prompt_tokens = branch.finished.stats.prompt_tokens
    assert branch.finished.stats.cached_tokens == prompt_tokens - 1
    assert branch.text == first.text


def test_an_edited_message_keeps_what_is_before_it(pair: DemoPair) -> None:
    pair.answer(pair.request(QUESTION))
    edited = pair.answer(pair.request(QUESTION.replace("adds", "divides")))
    assert 0 < edited.finished.stats.cached_tokens < edited.finished.stats.prompt_tokens
    pair.engine.forget("chat")
    assert pair.answer(pair.request(QUESTION.replace("adds", "divides"))).text == edited.text


def test_forgetting_drops_live_and_parked_caches(pair: DemoPair) -> None:
    pair.answer(pair.request(QUESTION))
    pair.engine.forget("chat")
    assert pair.answer(pair.request(QUESTION)).finished.stats.cached_tokens == 0
    pair.answer(pair.request("Say hello.", cache_key="other"))
    pair.engine.forget("chat")
    pair.engine.forget("other")
    pair.engine.forget("never seen")
    assert pair.answer(pair.request(QUESTION)).finished.stats.cached_tokens == 0


def test_a_cache_that_cannot_be_cut_is_prefilled_anew(
    pair: DemoPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pair.answer(pair.request(QUESTION, use_draft=False))
    monkeypatch.setattr(pair.cache.context, "drop_from", lambda position: False)
    again = pair.answer(pair.request(QUESTION, use_draft=False))
    assert again.finished.stats.cached_tokens == 0
    assert again.text == first.text


def test_a_failed_pass_is_one_error_and_the_next_request_works(
    pair: DemoPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = pair.answer(pair.request(QUESTION, use_draft=False)).text
    with monkeypatch.context() as patch:
        patch.setattr(llama, "llama_decode", lambda *_: -3)
        with pytest.raises(GenerationError, match="code -3"):
            pair.answer(pair.request("Say hello.", use_draft=False))
    answer = pair.answer(pair.request(QUESTION, use_draft=False))
    assert answer.finished.stats.cached_tokens == 0
    assert answer.text == expected


def test_a_context_that_cannot_be_opened_again_is_tried_with_the_next_request(
    pair: DemoPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(llama, "llama_decode", lambda *_: -3)
        patch.setattr(llama, "llama_init_from_model", lambda *_: None)
        for error in (GenerationError, ModelLoadError):
            with pytest.raises(error):
                pair.answer(pair.request("Say hello.", use_draft=False))
    assert pair.answer(pair.request(QUESTION, use_draft=False)).text


def test_the_window_can_be_filled_to_its_end() -> None:
    pair = load(context_window_tokens=256)
    try:
        answer = pair.answer(pair.request("Count from one to a thousand.", max_tokens=None))
        assert len(answer.finished.token_ids) <= 256
        long = pair.answer(
            pair.request("", prompt=(answer.finished.token_ids[:200],), max_tokens=None)
        )
        assert len(long.finished.token_ids) <= 256
    finally:
        pair.engine.close()


_CELL_BYTES = 12
"""Position and sequence of a token, in a copied state beside its keys and values."""


@pytest.mark.parametrize("kv_type", ["f32", "f16", "bf16", "q8_0", "q4_0"])
def test_kv_types_take_the_memory_they_say_to_the_byte(kv_type: str) -> None:
    pair = load(kv_type=kv_type, context_window_tokens=1000)
    try:
        elements = 9 * 4 * (64 + 64)
        bits = {"f32": 32, "f16": 16, "bf16": 16, "q8_0": 34 * 8 / 32, "q4_0": 18 * 8 / 32}[kv_type]
        assert pair.info.kv_bytes_per_token == elements * bits / 8
        handle, sizes = pair.cache.context.handle, []
        for _ in range(2):
            pair.cache.decode([5] * 100, 0)
            sizes.append(llama.llama_state_seq_get_size(handle, 0))
        told_bytes = (sizes[1] - sizes[0]) // 100 - _CELL_BYTES
        assert pair.info.kv_bytes_per_token == told_bytes
        assert pair.info.kv_reserved_bytes == told_bytes * llama.llama_n_ctx(handle)
        stats = pair.answer(pair.request(QUESTION)).finished.stats
        assert stats.kv_cache_bytes == told_bytes * (stats.prompt_tokens + stats.generated_tokens)
    finally:
        pair.engine.close()
