from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import ModelLoadError
from engines.llama_cpp.engine import LlamaCppEngine
from engines.llama_cpp.probe import check_header_in_own_process
from engines.model_files.locate import locate_model
from engines.types import LoadRequest
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
