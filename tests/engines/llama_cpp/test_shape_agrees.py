"""What is counted from a GGUF header is what llama.cpp then sets aside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engines.demo import demo_model_path
from engines.llama_cpp.engine import LlamaCppEngine
from engines.llama_cpp.memory import kv_bytes_per_token
from engines.model_files.gguf import read_header
from engines.model_files.gguf_shape import read_gguf_model
from engines.model_shape import KV_BITS
from engines.types import LoadRequest
from tests.engines.llama_cpp.recurrent import write_lfm2, write_mamba, write_qwen35

pytestmark = pytest.mark.model

WINDOW_TOKENS = 512
WRITERS: dict[str, Callable[[Path], Path]] = {
    "mamba": write_mamba,
    "lfm2": write_lfm2,
    "qwen35": write_qwen35,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_state_and_kv_cache_are_counted_rightly(
    kind: str, tmp_path: Path, engine: LlamaCppEngine
) -> None:
    path = WRITERS[kind](tmp_path / "model.gguf")
    shape, weights = read_gguf_model(path)
    request = LoadRequest("llama.cpp", str(path), context_window_tokens=WINDOW_TOKENS)
    info = engine.load(request, lambda report: None, lambda: False)
    assert weights.total_bytes == info.weights_bytes
    log_has_two_decimals_of_a_mebibyte = 0.02 * 2**20
    assert shape.state_bytes == pytest.approx(
        info.kv_fixed_bytes, abs=log_has_two_decimals_of_a_mebibyte
    )
    assert shape.kv_cache_bytes(WINDOW_TOKENS, "f16") == pytest.approx(
        info.kv_cache_bytes(WINDOW_TOKENS), abs=2 * log_has_two_decimals_of_a_mebibyte
    )


@pytest.mark.parametrize("kv_type", KV_BITS)
def test_the_kv_cache_of_a_dense_model_is_counted_as_the_engine_does(kv_type: str) -> None:
    path = demo_model_path("demo:target")
    assert path is not None
    shape, _ = read_gguf_model(path)
    assert shape.kv_cache_bytes(1000, kv_type) == 1000 * kv_bytes_per_token(
        read_header(path), kv_type
    )
