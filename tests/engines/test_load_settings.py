"""Settings of a load request that change speed alone: answers stay what they were."""

from __future__ import annotations

import pytest

from engines.bench.prompts import COPY_HEAVY, prompt_classes
from engines.bench.trial import TrialBench
from engines.errors import EngineError
from engines.types import LoadRequest

pytestmark = pytest.mark.model

LONG = "The quick brown fox jumps over the lazy dog. " * 20


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"flash_attention": True},
        {"flash_attention": False},
        {"chunk_tokens": 64},
        {"gpu_layers": 1},
        {"kv_type": "q8_0", "flash_attention": True},
    ],
)
def test_llama_cpp_takes_them(settings: dict[str, object]) -> None:
    request = LoadRequest("llama.cpp", "demo:target", None, 1024, **settings)  # type: ignore[arg-type]
    with TrialBench(request) as bench:
        stats = bench.run(LONG, 8, use_draft=False)
    assert stats.generated_tokens == 8
    assert stats.kv_type == settings.get("kv_type", "f16")


def test_a_quantized_kv_cache_needs_flash_attention() -> None:
    request = LoadRequest("llama.cpp", "demo:target", kv_type="q8_0", flash_attention=False)
    with pytest.raises(EngineError, match="with flash attention only"):
        TrialBench(request)


def test_mlx_reads_in_chunks_of_the_size_asked_for() -> None:
    request = LoadRequest("mlx", "demo:target", None, 1024, chunk_tokens=32)
    with TrialBench(request) as bench:
        assert bench.run(LONG, 4, use_draft=False).generated_tokens == 4


@pytest.mark.parametrize("depth", [1, 2])
def test_no_draft_is_longer_than_asked_for(depth: int) -> None:
    request = LoadRequest("llama.cpp", "demo:target", draft_depth=depth)
    question = prompt_classes()[COPY_HEAVY][0]
    with TrialBench(request) as bench:
        stats = bench.ask(question, 60, use_draft=True)
    for count in stats.draft_counts:
        assert 0 < count.drafted_tokens <= depth * count.steps
