"""The MLX engine beyond the contract that all engines share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from engines.errors import GenerationError, ModelLoadError, NotEnoughMemory
from engines.events import FinishReason, GenerationEvent, GenerationFinished, TextChunk
from engines.kv.reuse import CacheLoss
from engines.mlx.decoding import Decoder
from engines.mlx.device import Device, DeviceKind
from engines.mlx.engine import MLXEngine
from engines.types import GenerationRequest, LoadRequest, ModelInfo, SamplingParams
from tests.engines.mlx.tiny_gguf import TinyGguf

pytestmark = pytest.mark.model

PROMPT = "<|im_start|>user\nWrite a function `add`.<|im_end|>\n<|im_start|>assistant\n"
DEMO = LoadRequest("mlx", "demo:target")


def load(engine: MLXEngine, **changes: Any) -> ModelInfo:
    return engine.load(replace(DEMO, **changes), lambda report: None, lambda: False)


def run(engine: MLXEngine, **changes: Any) -> list[GenerationEvent]:
    greedy = SamplingParams(temperature=0)
    request = GenerationRequest((PROMPT,), "chat", greedy, max_tokens=24)
    return list(engine.generate(replace(request, **changes), lambda: False))


def finish(events: list[GenerationEvent]) -> GenerationFinished:
    assert isinstance(events[-1], GenerationFinished)
    return events[-1]


def text(events: list[GenerationEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextChunk))


@pytest.fixture
def engine() -> Iterator[MLXEngine]:
    engine = MLXEngine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[MLXEngine]:
    engine = MLXEngine()
    load(engine)
    yield engine
    engine.close()


def test_the_embedded_model_is_described_honestly(engine: MLXEngine) -> None:
    info = load(engine)
    assert (info.name, info.quantization, info.kv_type) == (
        "llm-tui demo (tiny)",
        "Q8_0→f32",
        "f32",
    )
    assert info.parameters == 28_977_792
    assert info.weights_bytes == 4 * info.parameters
    assert engine.memory_bytes() == info.weights_bytes
    assert info.kv_bytes_per_token == 9 * 2 * 4 * 64 * 4
    assert info.context_window_tokens == 4096
    assert info.is_demo
    assert (info.bos_token, info.eos_token) == ("<|endoftext|>", "<|im_end|>")


def test_memory_is_counted_and_given_back(engine: MLXEngine) -> None:
    before = mx.get_active_memory()
    weights = load(engine).weights_bytes
    finished = finish(run(engine))
    assert engine.memory_bytes() == weights + 256 * 9 * 2 * 4 * 64 * 4
    assert finished.stats.peak_memory_bytes is not None
    assert finished.stats.peak_memory_bytes > weights
    engine.forget("chat")
    assert engine.memory_bytes() == weights
    engine.close()
    assert engine.memory_bytes() == 0
    assert mx.get_active_memory() <= before


@pytest.mark.parametrize(("kv_type", "bits"), [("q8_0", 8), ("q4_0", 4)])
def test_a_quantized_cache_is_smaller_and_continues(
    kv_type: str, bits: int, engine: MLXEngine
) -> None:
    info = load(engine, kv_type=kv_type)
    assert info.kv_type == kv_type
    assert info.kv_bytes_per_token == 9 * 2 * 4 * (64 * bits // 8 + 2 * 4)
    first = finish(run(engine, max_tokens=12))
    held = engine.memory_bytes() - info.weights_bytes
    assert held == 256 * info.kv_bytes_per_token
    events = run(engine, prompt=(first.token_ids, "\n"))
    assert finish(events).stats.cached_tokens >= len(first.token_ids) - 1
    assert text(events)


def test_an_eight_bit_cache_writes_the_same_text(engine: MLXEngine, demo: MLXEngine) -> None:
    load(engine, kv_type="q8_0")
    assert text(run(engine)) == text(run(demo))


def test_the_models_own_type_may_be_named(engine: MLXEngine) -> None:
    assert load(engine, kv_type="f32").kv_type == "f32"


@pytest.mark.parametrize("kv_type", ["q5_1", "bf16", ""])
def test_other_cache_types_are_refused(kv_type: str, engine: MLXEngine) -> None:
    with pytest.raises(ModelLoadError) as error:
        load(engine, kv_type=kv_type)
    assert "f16" in error.value.hint
    assert load(engine)


def test_a_window_beyond_the_memory_is_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mx, "load", lambda *_, **__: pytest.fail("the weights were read"))
    engine = MLXEngine(lambda: Device(DeviceKind.CPU, 2**30))
    with pytest.raises(NotEnoughMemory) as error:
        load(engine, context_window_tokens=400_000)
    assert error.value.hint
    with pytest.raises(NotEnoughMemory):
        load(MLXEngine(lambda: Device(DeviceKind.CPU, 2**26)))


def test_a_smaller_window_is_kept_to(engine: MLXEngine) -> None:
    assert load(engine, context_window_tokens=40).context_window_tokens == 40
    finished = finish(run(engine, max_tokens=None))
    assert finished.reason is FinishReason.LENGTH
    assert len(finished.token_ids) == 40


def test_loading_can_be_cancelled(engine: MLXEngine) -> None:
    with pytest.raises(ModelLoadError, match="cancelled"):
        engine.load(DEMO, lambda report: None, lambda: True)
    assert engine.memory_bytes() == 0


def test_a_draft_of_another_vocabulary_is_left_out_with_the_reason(
    engine: MLXEngine, tmp_path: Path
) -> None:
    stranger = TinyGguf("qwen3").write(tmp_path / "stranger.gguf")
    info = load(engine, draft_model=str(stranger))
    assert "vocabulary" in info.draft_refused
    assert info.draft_name is None
    assert finish(run(engine)).stats.drafted_tokens == 0


def test_drafts_and_stops_go_together(engine: MLXEngine, demo: MLXEngine) -> None:
    info = load(engine, draft_model="demo:draft")
    assert info.draft_name == "llm-tui demo draft (tiny)"
    assert info.draft_refused == ""
    whole = text(run(demo, max_tokens=60))
    for start in (3, len(whole) // 2, len(whole) - 8):
        stop = whole[start : start + 6]
        events = run(engine, max_tokens=60, stop=(stop,))
        assert text(events) == whole[: whole.index(stop)]
        finished = finish(events)
        again = run(engine, prompt=(finished.token_ids, "\n"), max_tokens=4)
        assert finish(again).stats.cached_tokens >= len(finished.token_ids) - 1


def test_a_seeded_answer_is_the_same_with_drafts(engine: MLXEngine, demo: MLXEngine) -> None:
    load(engine, draft_model="demo:draft")
    sampling = SamplingParams(temperature=0.9, top_p=0.95, seed=21)
    assert text(run(engine, sampling=sampling)) == text(run(demo, sampling=sampling))


def test_an_abandoned_generation_keeps_its_cache(demo: MLXEngine) -> None:
    demo.forget("chat")
    request = GenerationRequest((PROMPT,), "chat", SamplingParams(temperature=0))
    events = demo.generate(request, lambda: False)
    for event in events:
        if isinstance(event, TextChunk):
            break
    events.close()  # type: ignore[attr-defined]
    assert finish(run(demo)).stats.cached_tokens > 0


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory"), "memory"),
        (RuntimeError("something else"), "something else"),
    ],
)
def test_a_failing_library_is_one_clear_error_and_drops_the_cache(
    failure: Exception, kind: str, demo: MLXEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(demo)

    def fail(*_: object) -> Iterator[None]:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "run", fail)
        with pytest.raises((GenerationError, NotEnoughMemory), match=kind) as error:
            run(demo, use_draft=False)
        assert error.value.hint
    assert finish(run(demo)).stats.cached_tokens == 0


def test_an_empty_prompt_and_no_model_are_errors(demo: MLXEngine) -> None:
    with pytest.raises(GenerationError, match="empty"):
        run(demo, prompt=("",))
    with pytest.raises(GenerationError, match="No model"):
        run(MLXEngine())


def test_negative_ids_are_refused(demo: MLXEngine) -> None:
    with pytest.raises(GenerationError):
        run(demo, prompt=((-1,), PROMPT))


def test_an_answer_of_no_tokens_is_an_answer(demo: MLXEngine) -> None:
    finished = finish(run(demo, max_tokens=0))
    assert (finished.reason, finished.stats.generated_tokens) == (FinishReason.LENGTH, 0)


def test_a_folder_runs_through_the_engine(
    engine: MLXEngine, mlx_folder: Callable[[], Path]
) -> None:
    info = load(engine, model=str(mlx_folder()))
    assert (info.name, info.quantization, info.context_window_tokens) == (
        "tiny-mlx",
        "bf16→f32",
        512,
    )
    assert info.kv_bytes_per_token == 2 * 2 * 2 * 16 * 4
    first = finish(run(engine, max_tokens=8))
    again = finish(run(engine, max_tokens=8, prompt=(first.token_ids, "x")))
    assert again.stats.cached_tokens >= len(first.token_ids) - 1


SLIDING = {"model_type": "gemma3_text", "sliding_window": 16, "sliding_window_pattern": 2}
RECURRENT = {
    "model_type": "qwen3_next",
    "full_attention_interval": 2,
    "linear_num_value_heads": 2,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "num_experts": 0,
    "num_experts_per_tok": 1,
    "decoder_sparse_step": 1,
    "shared_expert_intermediate_size": 32,
    "mlp_only_layers": [0, 1],
    "moe_intermediate_size": 32,
    "partial_rotary_factor": 0.5,
}


@pytest.mark.parametrize("architecture", [SLIDING, RECURRENT], ids=["sliding", "recurrent"])
def test_a_cache_that_cannot_go_back_is_continued_or_goes_back_to_a_mark(
    architecture: dict[str, Any], engine: MLXEngine, mlx_folder: Callable[..., Path]
) -> None:
    info = load(engine, model=str(mlx_folder(**architecture)))
    assert info.kv_fixed_bytes > 0
    first = finish(run(engine, max_tokens=20, use_draft=False))
    longer = (first.token_ids, " and now more of it")
    continued = run(engine, prompt=longer, use_draft=False)
    assert finish(continued).stats.cached_tokens == len(first.token_ids)
    regenerated = run(engine, max_tokens=20, use_draft=False)
    figures = finish(regenerated).stats
    assert figures.cached_tokens == figures.prompt_tokens - 1
    assert finish(regenerated).token_ids == first.token_ids
    engine.forget("chat")
    fresh = run(engine, prompt=longer)
    assert finish(fresh).stats.cached_tokens == 0
    assert finish(fresh).token_ids == finish(continued).token_ids


SCRIPT = """
import resource, sys, threading
from engines.registry import create_engine
from engines.thread import EngineThread
from engines.types import GenerationRequest, LoadRequest

before = resource.getrlimit(resource.RLIMIT_NOFILE)
finished, started = threading.Event(), threading.Event()
events = []
def sink(event):
    events.append(event)
    name = type(event).__name__
    started.set() if name == "TextChunk" else None
    finished.set() if name in ("GenerationFinished", "EngineFailed") else None
thread = EngineThread(lambda: create_engine("mlx"), LoadRequest("mlx", MODEL), events.append)
thread.submit(GenerationRequest(("Tell me",), "a", max_tokens=MAX_TOKENS), sink)
assert (finished if MAX_TOKENS < 100 else started).wait(60), events
assert thread.close(20)
assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
print(type(events[-1]).__name__, "transformers" in sys.modules)
"""


@pytest.mark.parametrize("max_tokens", [8, 2000])
def test_the_process_ends_cleanly_and_silently(max_tokens: int) -> None:
    """Finished and in the middle of a decode: MLX ends processes whose streams are not cleared."""
    script = SCRIPT.replace("MAX_TOKENS", str(max_tokens)).replace("MODEL", '"demo:target"')
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "GenerationFinished False\n"


def test_a_folder_leaves_the_file_limit_and_the_screen_alone(
    mlx_folder: Callable[[], Path],
) -> None:
    script = SCRIPT.replace("MAX_TOKENS", "8").replace("MODEL", repr(str(mlx_folder())))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_memory_that_is_short_is_saved_and_told() -> None:
    kv_bytes = 2048 * 9 * 2 * 4 * 64 * 4
    room = 4 * 28_977_792 + 64 * 2**20 + 64 * 384 * 2**10 + kv_bytes // 2
    engine = MLXEngine(lambda: Device(DeviceKind.CPU, room))
    try:
        info = load(engine, context_window_tokens=2048)
        assert info.kv_type == "q8_0"
        assert info.memory_note.endswith("the KV cache is kept in q8_0.")
        assert text(run(engine))
    finally:
        engine.close()


def test_parked_caches_make_room_for_a_turn() -> None:
    free_bytes = [8 * 2**30]
    engine = MLXEngine(lambda: Device(DeviceKind.CPU, free_bytes[0]))
    try:
        load(engine)
        weights_bytes = engine.memory_bytes()
        for key in ("one", "two", "three"):
            run(engine, cache_key=key)
        parked_bytes = engine.memory_bytes() - weights_bytes
        free_bytes[0] = 0
        third = finish(run(engine, cache_key="three"))
        assert "KV caches of other conversations made room" in third.stats.memory_note
        assert engine.memory_bytes() - weights_bytes < parked_bytes
        free_bytes[0] = 8 * 2**30
        again = finish(run(engine, cache_key="one"))
        assert again.stats.cache_reuse is not None
        assert again.stats.cache_reuse.loss is CacheLoss.EVICTED
    finally:
        engine.close()


def test_a_turn_that_cannot_fit_is_refused_and_loses_nothing() -> None:
    free_bytes = [8 * 2**30]
    engine = MLXEngine(lambda: Device(DeviceKind.CPU, free_bytes[0]))
    try:
        load(engine)
        first = finish(run(engine))
        free_bytes[0] = 0
        with pytest.raises(NotEnoughMemory, match="more memory, and 0 MiB are free"):
            run(engine)
        free_bytes[0] = 8 * 2**30
        again = finish(run(engine))
        assert again.stats.cached_tokens == first.stats.prompt_tokens - 1
    finally:
        engine.close()
