from __future__ import annotations

import pytest

from engines.events import FinishReason, GenerationFinished, PrefillProgress, TextChunk
from engines.generation import GenerationRun, parse_tool_calls
from engines.stats import GenerationStats
from engines.types import GenerationRequest, ModelInfo

INFO = ModelInfo(
    name="m",
    engine="scripted",
    architecture="a",
    quantization="q",
    parameters=None,
    weights_bytes=1,
    context_window_tokens=100,
    kv_type="f16",
    kv_bytes_per_token=10,
    chat_template="",
    bos_token="",
    eos_token="",
    tokenizer_fingerprint="",
    kv_fixed_bytes=5,
)


def stats(**changes: object) -> GenerationStats:
    values: dict[str, object] = {
        "engine": "e", "model": "m", "quantization": "q", "prompt_tokens": 100,
        "cached_tokens": 60, "generated_tokens": 21, "ttft_s": 2.0, "prefill_s": 1.6,
        "decode_s": 2.0, "kv_cache_bytes": 1, "kv_type": "f16",
    }  # fmt: skip
    return GenerationStats(**(values | changes))  # type: ignore[arg-type]


def test_the_rates_follow_from_the_counts() -> None:
    figures = stats(drafted_tokens=8, accepted_tokens=6)
    assert figures.prefill_tps == pytest.approx(40 / 1.6)
    assert figures.decode_tps == pytest.approx(20 / 2.0)
    assert figures.effective_tps == pytest.approx(21 / 4.0)
    assert figures.acceptance_rate == pytest.approx(0.75)


def test_a_figure_that_is_not_known_is_none_and_not_zero() -> None:
    figures = stats(generated_tokens=0, ttft_s=None, decode_s=0.0, cached_tokens=100)
    assert figures.decode_tps is None
    assert figures.effective_tps is None
    assert figures.prefill_tps is None
    assert figures.acceptance_rate is None


def test_the_json_has_the_documented_keys() -> None:
    documented = (
        "engine model quantization prompt_tokens cached_tokens generated_tokens ttft_s prefill_s"
        " prefill_tps decode_tps effective_tps kv_cache_bytes kv_type peak_memory_bytes"
        " drafted_tokens accepted_tokens acceptance_rate bandwidth_ceiling_tps"
    )
    assert set(documented.split()) <= set(stats().to_json())


def test_held_back_text_is_counted_when_it_comes_out() -> None:
    request = GenerationRequest(("p",), "k", stop=("END",))
    run = GenerationRun(request, INFO, [1])
    run.start_prefill([7], 0)
    chunks = [*run.add_token(1, b"E"), *run.add_token(2, b"N", drafted=True)]
    assert chunks == []
    chunks = list(run.add_token(3, b"!"))
    assert [(c.text, c.token_count, c.drafted_token_count) for c in chunks] == [("EN!", 3, 1)]
    *rest, finished = run.finish(FinishReason.STOP)
    assert rest == []
    assert isinstance(finished, GenerationFinished)
    assert finished.token_ids == (7, 1, 2, 3)
    assert finished.stats.kv_cache_bytes == 5 + 4 * 10


def test_fast_tokens_are_handed_on_together() -> None:
    run = GenerationRun(GenerationRequest(("p",), "k"), INFO, [1], text_every_s=1e6)
    run.start_prefill([7], 0)
    (first,) = run.add_token(1, b"a")
    assert (first.text, first.token_count) == ("a", 1)
    assert [*run.add_token(2, "é".encode()[:1]), *run.add_token(3, "é".encode()[1:])] == []
    assert run.add_token(4, b"!", drafted=True) == []
    rest, finished = run.finish(FinishReason.STOP)
    assert isinstance(rest, TextChunk)
    assert (rest.text, rest.token_count, rest.drafted_token_count) == ("é!", 3, 1)
    assert isinstance(finished, GenerationFinished)
    assert finished.stats.generated_tokens == 4


def test_tokens_do_not_wait_where_a_text_may_end_the_answer() -> None:
    request = GenerationRequest(("p",), "k", stop=("END",))
    run = GenerationRun(request, INFO, [1], text_every_s=1e6)
    run.start_prefill([7], 0)
    texts = [chunk.text for id_ in range(3) for chunk in run.add_token(id_, b"ab")]
    assert texts == ["ab"] * 3
    run.add_token(3, b"END")
    assert run.stopped


def test_an_answer_that_ends_inside_a_marker_keeps_its_text() -> None:
    run = GenerationRun(GenerationRequest(("p",), "k", stop=("END",)), INFO, [1])
    run.start_prefill([7], 0)
    assert list(run.add_token(1, b"EN")) == []
    first, _ = run.finish(FinishReason.LENGTH)
    assert isinstance(first, TextChunk)
    assert first.text == "EN"


def test_prefill_knows_how_long_it_still_takes() -> None:
    assert PrefillProgress(60, 100, 20, elapsed_s=2.0).remaining_s == pytest.approx(2.0)
    assert PrefillProgress(20, 100, 20, elapsed_s=0.0).remaining_s is None


def test_only_well_formed_tool_calls_count() -> None:
    texts = [
        '{"name": "read", "arguments": {"path": "ä.py"}}',
        '{"name": "run", "arguments": "{\\"a\\": 1}"}',
        '{"name": 3}',
        '["read"]',
        '{"name": "read", "argum',
    ]
    calls = list(parse_tool_calls(texts))
    assert [(call.name, call.arguments) for call in calls] == [
        ("read", '{"path": "ä.py"}'),
        ("run", '{"a": 1}'),
    ]
    assert len({call.id for call in calls}) == 2
