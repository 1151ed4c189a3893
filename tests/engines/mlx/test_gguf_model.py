"""GGUF files on MLX compute what they compute in llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from engines.errors import ModelLoadError
from engines.mlx.device import Device, DeviceKind
from engines.mlx.gguf_model import load_gguf, plan_gguf
from tests.engines.mlx.tiny_gguf import HEAD_DIM, HIDDEN, VOCABULARY, TinyGguf

pytestmark = pytest.mark.model

CPU = Device(DeviceKind.CPU, 8 * 2**30)
METAL = Device(DeviceKind.METAL, 8 * 2**30)
IDS = [3, 17, 42, 5, 5, 80, 61, 2, 94, 33, 7, 12, 50, 50, 9]


def logits_here(path: Path, device: Device = CPU) -> np.ndarray[Any, Any]:
    model = load_gguf(path, device)
    return np.array(model.network(mx.array([IDS]))[0].astype(mx.float32))


def logits_of_llama_cpp(path: Path) -> np.ndarray[Any, Any]:
    pytest.importorskip("llama_cpp")
    from engines.llama_cpp.library import llama, native_log

    model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
    assert model, native_log.reason()
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = 256
    parameters.type_k = parameters.type_v = 0
    parameters.flash_attn_type = 0  # it rounds to half precision
    context = llama.llama_init_from_model(model, parameters)
    batch = llama.llama_batch_init(len(IDS), 0, 1)
    for index, token_id in enumerate(IDS):
        batch.token[index], batch.pos[index], batch.logits[index] = token_id, index, 1
        batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
    batch.n_tokens = len(IDS)
    assert llama.llama_decode(context, batch) == 0
    rows = llama.llama_get_logits(context)
    logits = np.ctypeslib.as_array(rows, (len(IDS), VOCABULARY)).copy()
    llama.llama_batch_free(batch)
    llama.llama_free(context)
    llama.llama_model_free(model)
    return logits


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("element_type", ["F32", "F16", "BF16", "Q8_0", "Q4_0"])
def test_logits_equal_those_of_llama_cpp(
    architecture: str, element_type: str, tmp_path: Path
) -> None:
    path = TinyGguf(architecture, element_type).write(tmp_path / "tiny.gguf")
    ours, theirs = logits_here(path), logits_of_llama_cpp(path)
    tolerance = 2e-3 if element_type == "F32" else 0.1  # llama.cpp rounds activations for the rest
    assert np.abs(ours - theirs).mean() < tolerance
    assert np.abs(theirs).mean() > 2


def test_rope_factors_and_linear_scaling_are_followed(tmp_path: Path) -> None:
    for name, change in (("factors", _add_rope_factors), ("linear", _scale_linearly)):
        tiny = TinyGguf("llama")
        plain = logits_here(tiny.write(tmp_path / "plain.gguf"))
        change(tiny)
        path = tiny.write(tmp_path / f"{name}.gguf")
        ours = logits_here(path)
        assert np.abs(ours - logits_of_llama_cpp(path)).max() < 2e-3
        assert np.abs(ours - plain).max() > 0.05


def _add_rope_factors(tiny: TinyGguf) -> None:
    tiny.tensors["rope_freqs.weight"] = np.linspace(1, 8, HEAD_DIM // 2).astype("f4")


def _scale_linearly(tiny: TinyGguf) -> None:
    tiny.metadata = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}


def test_tied_embeddings_serve_as_the_output(tmp_path: Path) -> None:
    tiny = TinyGguf("qwen3")
    del tiny.tensors["output.weight"]
    path = tiny.write(tmp_path / "tied.gguf")
    assert np.abs(logits_here(path) - logits_of_llama_cpp(path)).max() < 2e-3


def test_weights_stay_quantized_on_a_gpu_and_are_widened_on_the_cpu(tmp_path: Path) -> None:
    path = TinyGguf("qwen3", "Q8_0").write(tmp_path / "tiny.gguf")
    packed, dense = load_gguf(path, METAL), load_gguf(path, CPU)
    projection = packed.network.layers[0].self_attn.q_proj
    assert (projection.bits, projection.group_size) == (8, 32)
    assert packed.weights_bytes * 3 < dense.weights_bytes == plan_gguf(path, CPU).weights_bytes
    assert dense.parameters == packed.parameters == plan_gguf(path, CPU).parameters
    assert plan_gguf(path, CPU).quantization == "Q8_0→f32"
    assert plan_gguf(path, METAL).quantization == "Q8_0"
    assert np.abs(logits_here(path, METAL) - logits_here(path)).max() < 0.1


def test_the_cpu_plan_counts_what_is_held(tmp_path: Path) -> None:
    plan = plan_gguf(TinyGguf("qwen2").write(tmp_path / "tiny.gguf"), CPU)
    assert plan.kv_bytes_per_token == 2 * 2 * 2 * HEAD_DIM * 4
    assert plan.context_window_tokens == 256


def test_what_is_not_supported_is_refused_by_name(tmp_path: Path) -> None:
    phi = TinyGguf("phi3").write(tmp_path / "phi.gguf")
    with pytest.raises(ModelLoadError, match="phi3") as error:
        plan_gguf(phi, CPU)
    assert "llama.cpp" in error.value.hint
    tiny = TinyGguf("llama")
    tiny.metadata = {"llama.rope.scaling.type": "yarn"}
    with pytest.raises(ModelLoadError, match="yarn"):
        plan_gguf(tiny.write(tmp_path / "yarn.gguf"), CPU)
    tiny = TinyGguf("llama")
    tiny.metadata = {"split.count": 2}
    with pytest.raises(ModelLoadError, match="split"):
        plan_gguf(tiny.write(tmp_path / "split.gguf"), CPU)


def test_a_tensor_type_that_mlx_would_inflate_is_refused_by_name(tmp_path: Path) -> None:
    tiny = TinyGguf("llama", "Q8_0")
    path = tiny.write(tmp_path / "tiny.gguf")
    q5_0 = path.read_bytes().replace(_tensor_type("blk.1.ffn_up.weight", 8), b"Q5_0")
    at = q5_0.index(b"Q5_0")
    path.write_bytes(q5_0[:at] + _tensor_type("blk.1.ffn_up.weight", 6) + q5_0[at + 4 :])
    with pytest.raises(ModelLoadError, match=r"Q5_0 tensors \(blk\.1\.ffn_up\.weight"):
        plan_gguf(path, CPU)


def _tensor_type(name: str, type_id: int) -> bytes:
    dimensions = (HIDDEN, 96)
    return (
        name.encode()
        + (2).to_bytes(4, "little")
        + b"".join(size.to_bytes(8, "little") for size in dimensions)
        + type_id.to_bytes(4, "little")
    )


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("token_embd.weight", "lacks"),
        ("blk.1.ffn_down.weight", "do not make"),
        ("output_norm.weight", "do not make"),
    ],
)
def test_a_missing_tensor_is_one_clear_error(missing: str, words: str, tmp_path: Path) -> None:
    tiny = TinyGguf("qwen3")
    del tiny.tensors[missing]
    path = tiny.write(tmp_path / "bad.gguf")
    with pytest.raises(ModelLoadError, match=words) as error:
        plan_gguf(path, CPU)
        load_gguf(path, CPU)
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [("block_count", 3), ("attention.head_count", 5), ("attention.head_count_kv", 3)],
)
def test_metadata_that_does_not_fit_the_tensors_is_refused(
    key: str, value: int, tmp_path: Path
) -> None:
    tiny = TinyGguf("qwen3")
    tiny.metadata = {f"qwen3.{key}": value}
    path = tiny.write(tmp_path / "bad.gguf")
    with pytest.raises(ModelLoadError):
        plan_gguf(path, CPU)
        load_gguf(path, CPU)


def test_an_unknown_tensor_is_refused_by_name(tmp_path: Path) -> None:
    tiny = TinyGguf("qwen3")
    tiny.tensors["blk.0.attn_sinks.weight"] = np.zeros(4, "f4")
    with pytest.raises(ModelLoadError, match="attn_sinks"):
        load_gguf(tiny.write(tmp_path / "bad.gguf"), CPU)
