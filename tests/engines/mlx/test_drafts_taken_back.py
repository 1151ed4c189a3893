"""Drafts on caches that cannot be cut: recurrent state, and sliding windows that are full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engines.events import FinishReason, GenerationFinished
from engines.mlx.engine import MLXEngine
from engines.speculative.drafters import DRAFT_MODEL
from engines.types import GenerationRequest, LoadRequest, SamplingParams
from tests.engines.mlx.test_engine import RECURRENT, SLIDING
from tests.engines.speculative.forced import ForcedRecord, spoiled

pytestmark = pytest.mark.model

LFM2 = {
    "model_type": "lfm2",
    "norm_eps": 1e-5,
    "conv_bias": False,
    "conv_L_cache": 3,
    "block_dim": 64,
    "block_multiple_of": 32,
    "block_ffn_dim_multiplier": 1.0,
    "block_auto_adjust_ff_dim": False,
    "full_attn_idxs": [1],
}
MAMBA2 = {
    "model_type": "mamba2",
    "num_heads": 4,
    "head_dim": 16,
    "intermediate_size": 64,
    "state_size": 16,
    "layer_norm_epsilon": 1e-5,
    "conv_kernel": 4,
    "n_groups": 1,
    "use_bias": False,
    "use_conv_bias": True,
    "time_step_limit": [0.0, 100.0],
    "time_step_rank": "auto",
}
GPT_OSS = {
    "model_type": "gpt_oss",
    "num_local_experts": 2,
    "num_experts_per_tok": 1,
    "sliding_window": 16,
    "layer_types": ["sliding_attention", "full_attention"],
}
KINDS = {
    "gemma3": SLIDING,
    "gpt_oss": GPT_OSS,
    "qwen3_next": RECURRENT,
    "lfm2": LFM2,
    "mamba2": MAMBA2,
}
PROMPTS = (
    "def add(a, b):\n    return a + b\n\n\ndef multiply(a, b):\n",
    "The words of a text are counted like this: one, two, three, one, two, three",
)


@dataclass
class Random:
    """An engine with a random model."""

    engine: MLXEngine

    def force(self, depth: int, finished: GenerationFinished) -> None:
        """Draft `depth` tokens at a time, from the answer with some tokens exchanged."""
        answer_ids = finished.token_ids[finished.stats.prompt_tokens - 3 :]
        self.engine._speculation = ForcedRecord(depth, spoiled(answer_ids))
        self.engine.forget("chat")

    def answer(
        self, request: GenerationRequest, cancelled: Callable[[], bool] = lambda: False
    ) -> GenerationFinished:
        finished: Any = list(self.engine.generate(request, cancelled))[-1]
        assert isinstance(finished, GenerationFinished)
        return finished

    def plain(self, request: GenerationRequest) -> GenerationFinished:
        """The answer without drafts, of a cache of its own."""
        self.engine.forget("plain")
        return self.answer(replace(request, cache_key="plain", use_draft=False))


@pytest.fixture(scope="module", params=KINDS)
def model(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_folder: Callable[..., Path],
) -> Iterator[Random]:
    folder = write_folder(tmp_path_factory.mktemp(request.param), **KINDS[request.param])
    engine = MLXEngine()
    info = engine.load(LoadRequest("mlx", str(folder)), lambda report: None, lambda: False)
    assert info.draft_refused == ""
    yield Random(engine)
    engine.close()


def request_for(text: str = "", **changes: Any) -> GenerationRequest:
    greedy = SamplingParams(temperature=0)
    return replace(GenerationRequest((text,), "chat", greedy, max_tokens=60), **changes)


@pytest.mark.parametrize("depth", [2, 3, 7, 15])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_text_is_that_of_plain_decode(model: Random, prompt: str, depth: int) -> None:
    request = request_for(prompt)
    plain = model.plain(request)
    model.force(depth, plain)
    drafted = model.answer(request)
    assert drafted.token_ids == plain.token_ids
    stats = drafted.stats
    assert 0 < stats.accepted_tokens < stats.drafted_tokens


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(temperature=0.9, top_k=40, seed=7),
        SamplingParams(temperature=0, repetition_penalty=1.3, frequency_penalty=0.2),
    ],
)
def test_sampling_and_penalties_are_those_of_plain_decode(
    model: Random, sampling: SamplingParams
) -> None:
    request = request_for(PROMPTS[0], sampling=sampling)
    plain = model.plain(request)
    model.force(7, plain)
    drafted = model.answer(request)
    assert drafted.token_ids == plain.token_ids
    assert 0 < drafted.stats.accepted_tokens < drafted.stats.drafted_tokens


@pytest.mark.parametrize("asked", [2, 9, 10, 13, 20, 31, 32, 33])
def test_wherever_it_is_cancelled_the_next_turn_goes_on_from_the_text(
    model: Random, asked: int
) -> None:
    request = request_for(PROMPTS[0])
    model.force(7, model.plain(request))
    times = 0

    def cancelled() -> bool:
        nonlocal times
        times += 1
        return times > asked

    first = model.answer(request, cancelled)
    assert first.reason is FinishReason.CANCELLED
    going_on = request_for(prompt=(first.token_ids, "\nclass Next:\n"))
    second = model.answer(going_on)
    fresh = model.plain(going_on)
    assert second.token_ids == fresh.token_ids
    assert second.stats.cached_tokens >= first.stats.prompt_tokens - 1


def test_turn_after_turn_reads_on_from_where_the_last_one_ended(model: Random) -> None:
    ids: tuple[int, ...] = ()
    for number in range(4):
        request = request_for(prompt=(ids, f"\ndef f{number}(x):\n"), max_tokens=30)
        plain = model.plain(request)
        answer_ids = plain.token_ids[plain.stats.prompt_tokens - 3 :]
        model.engine._speculation = ForcedRecord(5, spoiled(answer_ids))
        answer = model.answer(request)
        assert answer.token_ids == plain.token_ids
        assert answer.stats.drafted_tokens > 0
        assert answer.stats.cached_tokens >= len(ids) - 16
        ids = answer.token_ids


@pytest.mark.parametrize("kind", ["qwen3_next", "gpt_oss"])
def test_such_a_model_can_draft_too(
    kind: str, tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    folder = write_folder(tmp_path, **KINDS[kind])
    other = write_folder(tmp_path / "other", **KINDS[kind], rms_norm_eps=1e-2)
    engine = MLXEngine()
    load = LoadRequest("mlx", str(folder), draft_model=str(other))
    info = engine.load(load, lambda report: None, lambda: False)
    assert info.draft_name is not None
    model = Random(engine)
    request = request_for(PROMPTS[0])
    plain = model.plain(request)
    engine._speculation = ForcedRecord(3)
    drafted = model.answer(request)
    assert drafted.token_ids == plain.token_ids
    counts = {count.drafter: count for count in drafted.stats.draft_counts}
    assert 0 < counts[DRAFT_MODEL].accepted_tokens < counts[DRAFT_MODEL].drafted_tokens
    engine.close()
