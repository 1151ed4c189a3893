from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from engines.errors import EngineError, ModelLoadError, NotEnoughMemory
from engines.events import LoadProgress
from engines.llama_cpp.context import Context
from engines.llama_cpp.engine import LlamaCppEngine
from engines.llama_cpp.library import llama, native_log
from engines.model_files.locate import locate_model
from engines.types import LoadRequest
from tests.engines.llama_cpp.pair import load
from tests.engines.llama_cpp.recurrent import write_mamba

pytestmark = pytest.mark.model


def refused(engine: LlamaCppEngine, request: LoadRequest) -> EngineError:
    with pytest.raises(EngineError) as error:
        engine.load(request, lambda report: None, lambda: False)
    assert error.value.hint
    assert "\n" not in error.value.message
    assert engine.memory_bytes() == 0
    return error.value


def copy_of(model: str, folder: Path, old: bytes, new: bytes) -> str:
    """A changed copy of an embedded model."""
    content = locate_model(model).read_bytes()
    assert len(old) == len(new)
    assert old in content
    path = folder / "changed.gguf"
    path.write_bytes(content.replace(old, new))
    return str(path)


def test_progress_grows_to_the_end(engine: LlamaCppEngine) -> None:
    reports: list[LoadProgress] = []
    engine.load(LoadRequest("llama.cpp", "demo:target"), reports.append, lambda: False)
    fractions = [report.fraction for report in reports if report.fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_loading_can_be_cancelled(engine: LlamaCppEngine) -> None:
    with pytest.raises(ModelLoadError, match="stopped"):
        engine.load(LoadRequest("llama.cpp", "demo:target"), lambda report: None, lambda: True)
    assert engine.memory_bytes() == 0


def test_an_unknown_architecture_is_named(engine: LlamaCppEngine, tmp_path: Path) -> None:
    path = copy_of("demo:draft", tmp_path, b"qwen3", b"qwenX")
    error = refused(engine, LoadRequest("llama.cpp", path))
    assert "unknown model architecture" in error.message


def test_a_cut_off_file_is_refused(engine: LlamaCppEngine, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(locate_model("demo:draft").read_bytes()[:3_000_000])
    assert "cut off" in refused(engine, LoadRequest("llama.cpp", str(path))).message


def test_a_folder_is_refused(engine: LlamaCppEngine, tmp_path: Path) -> None:
    assert "folder" in refused(engine, LoadRequest("llama.cpp", str(tmp_path))).message


@pytest.mark.parametrize("kv_type", ["q4_K", "", "f99"])
def test_an_unknown_kv_type_is_refused(engine: LlamaCppEngine, kv_type: str) -> None:
    error = refused(engine, LoadRequest("llama.cpp", "demo:target", kv_type=kv_type))
    assert "q8_0" in error.hint


@pytest.mark.parametrize("window_tokens", [0, -5])
def test_an_impossible_window_is_refused(engine: LlamaCppEngine, window_tokens: int) -> None:
    refused(engine, LoadRequest("llama.cpp", "demo:target", context_window_tokens=window_tokens))


def test_the_window_ends_where_training_ended(engine: LlamaCppEngine) -> None:
    request = LoadRequest("llama.cpp", "demo:target", context_window_tokens=10**9)
    info = engine.load(request, lambda report: None, lambda: False)
    assert info.context_window_tokens == 4096


def test_a_window_too_large_for_memory_is_refused_with_figures(
    engine: LlamaCppEngine, tmp_path: Path
) -> None:
    key = b"qwen3.context_length\x04\x00\x00\x00"
    path = copy_of(
        "demo:draft", tmp_path, key + (4096).to_bytes(4, "little"), key + b"\x00\x00\x00\x40"
    )
    request = LoadRequest("llama.cpp", path, context_window_tokens=2**30)
    error = refused(engine, request)
    assert isinstance(error, NotEnoughMemory)
    assert "1,073,741,824 tokens" in error.message
    assert "GiB" in error.message


def test_memory_is_looked_at_before_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        available = 10 * 2**20

    monkeypatch.setattr(psutil, "virtual_memory", Nothing)
    assert isinstance(
        refused(LlamaCppEngine(), LoadRequest("llama.cpp", "demo:target")), NotEnoughMemory
    )


def test_a_failed_load_leaves_the_engine_usable(engine: LlamaCppEngine, tmp_path: Path) -> None:
    refused(engine, LoadRequest("llama.cpp", str(tmp_path)))
    assert engine.load(
        LoadRequest("llama.cpp", "demo:draft"), lambda report: None, lambda: False
    ).is_demo


def test_a_draft_with_other_tokens_is_refused_and_the_model_works(tmp_path: Path) -> None:
    pair = load(draft_model=copy_of("demo:draft", tmp_path, b"return", b"retour"))
    try:
        assert pair.info.draft_name is None
        assert "vocabulary differs at token" in pair.info.draft_refused
        answer = pair.answer(pair.request("Say hello."))
        assert answer.text
        assert answer.finished.stats.drafted_tokens == 0
    finally:
        pair.engine.close()


def test_a_missing_draft_is_no_reason_to_refuse_the_model() -> None:
    pair = load(draft_model="/no/such/draft.gguf")
    try:
        assert "no model" in pair.info.draft_refused
    finally:
        pair.engine.close()


def test_no_draft_where_the_library_gives_no_copy_of_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "partial_state", lambda self: None)
    pair = load(model=str(write_mamba(tmp_path / "mamba.gguf")), draft_model="demo:draft")
    try:
        assert "cannot take drafts back" in pair.info.draft_refused
        answer = pair.answer(pair.request("one, two, three, one, two, three,"))
        assert answer.finished.stats.drafted_tokens == 0
    finally:
        pair.engine.close()


def test_the_pair_shares_a_fingerprint_and_other_tokens_do_not(tmp_path: Path) -> None:
    changed = copy_of("demo:draft", tmp_path, b"return", b"retour")
    fingerprints = []
    for model in ("demo:target", "demo:draft", changed):
        pair = load(model=model)
        fingerprints.append(pair.info.tokenizer_fingerprint)
        pair.engine.close()
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


CYCLES = """
import psutil
from tests.engines.llama_cpp.pair import load
for _ in range(10):
    pair = load(draft_model="demo:draft")
    pair.answer(pair.request("Say hello.", max_tokens=8))
    pair.engine.close()
    print(psutil.Process().memory_info().rss)
"""


def test_loading_and_closing_again_and_again_takes_no_more_memory() -> None:
    result = subprocess.run(
        [sys.executable, "-c", CYCLES],
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"},  # glibc gives freed memory back
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    rss_bytes = [int(line) for line in result.stdout.split()]
    assert len(rss_bytes) == 10
    assert rss_bytes[-1] - rss_bytes[3] < 8 * 2**20


def test_closing_twice_is_harmless(engine: LlamaCppEngine) -> None:
    engine.load(LoadRequest("llama.cpp", "demo:draft"), lambda report: None, lambda: False)
    engine.close()
    engine.close()
    assert engine.memory_bytes() == 0
    with pytest.raises(EngineError):
        engine.count_tokens(["x"])


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("alloc: failed to allocate buffer of size 51 GB", NotEnoughMemory),
        ("init: V cache quantization requires flash attention", ModelLoadError),
    ],
)
def test_the_librarys_reason_for_no_context_is_passed_on(
    engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch, line: str, kind: type[EngineError]
) -> None:
    def refuse(*_: object) -> None:
        native_log.add(4, line)

    monkeypatch.setattr(llama, "llama_init_from_model", refuse)
    error = refused(engine, LoadRequest("llama.cpp", "demo:draft"))
    assert type(error) is kind
    assert line.partition(": ")[2] in error.message
