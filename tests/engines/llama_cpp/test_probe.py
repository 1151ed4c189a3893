from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from engines.errors import ModelLoadError
from engines.events import GenerationFinished
from engines.llama_cpp.context import CHUNK_TOKENS
from engines.llama_cpp.devices import FreeMemory
from engines.llama_cpp.engine import LlamaCppEngine
from engines.llama_cpp.probe import check_header_in_own_process
from engines.model_files.gguf_split import read_split_headers
from engines.model_files.locate import locate_model
from engines.types import GenerationRequest, LoadRequest
from tests.engines.llama_cpp.recurrent import write_mamba

pytestmark = pytest.mark.model


def changed(folder: Path, old: bytes, new: bytes) -> Path:
    path = folder / "changed.gguf"
    path.write_bytes(locate_model("demo:draft").read_bytes().replace(old, new, 1))
    return path


def refused(engine: LlamaCppEngine, path: Path) -> ModelLoadError:
    with pytest.raises(ModelLoadError) as error:
        engine.load(LoadRequest("llama.cpp", str(path)), lambda report: None, lambda: False)
    assert error.value.hint
    assert "\n" not in error.value.message
    return error.value


def test_a_header_that_ends_the_library_is_refused_with_its_reason(
    engine: LlamaCppEngine, tmp_path: Path
) -> None:
    path = write_mamba(tmp_path / "experts.gguf", expert_count=3)
    assert "n_expert_used" in refused(engine, path).message


def test_a_model_without_a_vocabulary_is_refused(engine: LlamaCppEngine, tmp_path: Path) -> None:
    key = b"tokenizer.ggml.model\x08\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00"
    path = changed(tmp_path, key + b"gpt2", key + b"none")
    assert "writes text" in refused(engine, path).message


def test_good_files_and_clean_refusals_pass(tmp_path: Path) -> None:
    check_header_in_own_process(locate_model("demo:target"))
    check_header_in_own_process(changed(tmp_path, b"qwen3", b"qwenX"))


@pytest.mark.parametrize("kv_type", ["f16", "q8_0", "q4_0"])
def test_the_plan_is_what_the_library_then_takes(kv_type: str, engine: LlamaCppEngine) -> None:
    (cost,) = check_header_in_own_process(locate_model("demo:target"), (kv_type,))
    request = LoadRequest("llama.cpp", "demo:target", context_window_tokens=2048, kv_type=kv_type)
    info = engine.load(request, lambda report: None, lambda: False)
    kv_bytes = info.kv_bytes_per_token * 2048
    assert info.kv_reserved_bytes == pytest.approx(kv_bytes, rel=0.001)
    buffers = cost.bytes_for(2048) - kv_bytes
    assert 2**20 < buffers < 64 * 2**20


def test_a_type_the_model_cannot_have_is_left_out(tmp_path: Path) -> None:
    path = write_mamba(tmp_path / "mamba.gguf")
    costs = check_header_in_own_process(path, ("f16", "q8_0"))
    assert costs[0].kv_type == "f16"
    assert costs[0].bytes_per_token < 8192


def weights_bytes(path: Path) -> int:
    return sum(header.weights_bytes for header in read_split_headers(path))


SAVINGS = {"chunks": ("f16", "read in chunks of"), "type": ("q8_0", "kept in q8_0")}


@pytest.mark.parametrize("saving", SAVINGS)
def test_memory_that_is_short_is_saved_and_told(tmp_path: Path, saving: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(locate_model("demo:target").read_bytes())
    f16, _ = check_header_in_own_process(path, ("f16", "q8_0"))
    assert f16.chunk_bytes_per_token > 0
    short_bytes = weights_bytes(path) + f16.bytes_for(4096) - 1
    if saving == "type":
        short_bytes -= round(f16.chunk_bytes_per_token * (CHUNK_TOKENS - 64))
    engine = LlamaCppEngine(find_free_memory=partial(FreeMemory, short_bytes))
    try:
        request = LoadRequest("llama.cpp", str(path), context_window_tokens=4096)
        info = engine.load(request, lambda report: None, lambda: False)
        kv_type, note = SAVINGS[saving]
        assert info.kv_type == kv_type
        assert note in info.memory_note
        prompt = ("def add(a, b):" * 100,)
        events = list(engine.generate(GenerationRequest(prompt, "a", max_tokens=4), lambda: False))
        assert isinstance(events[-1], GenerationFinished)
    finally:
        engine.close()


def test_a_draft_that_does_not_fit_beside_its_target_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(locate_model("demo:target").read_bytes())
    (f16,) = check_header_in_own_process(path, ("f16",))
    room_bytes = weights_bytes(path) + f16.bytes_for(4096) + 2**20
    draft_bytes = locate_model("demo:draft").stat().st_size + 2**28
    request = LoadRequest(
        "llama.cpp", str(path), draft_model="demo:draft", context_window_tokens=4096
    )
    for free_bytes, is_left_out in ((room_bytes, True), (room_bytes + draft_bytes, False)):
        engine = LlamaCppEngine(find_free_memory=partial(FreeMemory, free_bytes))
        info = engine.load(request, lambda report: None, lambda: False)
        engine.close()
        assert ("are free" in info.draft_refused) == is_left_out
        assert (info.draft_name is None) == is_left_out
        assert info.memory_note == ""
