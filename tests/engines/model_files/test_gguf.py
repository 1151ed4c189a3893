from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from engines.errors import ModelLoadError, ModelNotFound
from engines.model_files.gguf import GgufHeader, read_header
from engines.model_files.gguf_bytes import GgufArray
from engines.model_files.gguf_split import read_split_headers
from engines.model_files.locate import locate_model
from tests.engines.model_files.gguf_writer import F32, Q8_0, gguf, string, tensor

QWEN = {
    "general.architecture": "qwen3",
    "general.name": "Tiny",
    "general.file_type": 7,
    "qwen3.context_length": 2048,
    "qwen3.block_count": 2,
    "qwen3.attention.layer_norm_rms_epsilon": 1e-6,
    "tokenizer.ggml.tokens": [f"t{n}" for n in range(600)],
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS = [tensor("norm", [64], F32, 0), tensor("w", [64, 32], Q8_0, 256)]
DATA_BYTES = 256 + 64 * 32 // 32 * 34
MODEL = gguf(QWEN, TENSORS, DATA_BYTES)


def read(folder: Path, content: bytes) -> GgufHeader:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return read_header(path)


def refused(folder: Path, content: bytes) -> ModelLoadError:
    with pytest.raises(ModelLoadError) as error:
        read(folder, content)
    assert error.value.hint
    assert "\n" not in error.value.message
    return error.value


def test_reads_the_embedded_target() -> None:
    header = read_header(locate_model("demo:target"))
    assert header.architecture == "qwen3"
    assert header.context_window_tokens == 4096
    assert header.block_count == 9
    assert header.quantization == "Q8_0"
    assert 28_000_000 < header.parameters < 30_000_000
    assert header.weights_bytes == pytest.approx(header.parameters * 34 / 32, rel=0.01)
    assert "<|im_start|>" in header.chat_template
    assert header.metadata["tokenizer.ggml.tokens"] == GgufArray(8, 8192)


def test_reads_scalars_small_arrays_and_tensors(tmp_path: Path) -> None:
    header = read(tmp_path, gguf(QWEN | {"x.list": [1, 2, 3]}, TENSORS, DATA_BYTES))
    assert header.version == 3
    assert header.name == "Tiny"
    assert header.metadata["x.list"] == (1, 2, 3)
    assert header.metadata["tokenizer.ggml.tokens"] == GgufArray(8, 600)
    assert header.metadata["qwen3.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    weight = header.tensors[1]
    assert (weight.name, weight.shape, weight.type_name) == ("w", (64, 32), "Q8_0")
    assert (weight.offset, weight.size_bytes) == (256, DATA_BYTES - 256)
    assert header.data_offset == len(MODEL) - DATA_BYTES + 32 * (
        (len(gguf(QWEN | {"x.list": [1, 2, 3]}, TENSORS)) - len(gguf(QWEN, TENSORS))) // 32
    )
    assert header.parameters == 64 + 64 * 32


def test_a_recipe_that_contradicts_the_tensors_is_not_believed(tmp_path: Path) -> None:
    assert read(tmp_path, MODEL).quantization == "Q8_0"
    lying = gguf(QWEN | {"general.file_type": 15}, TENSORS, DATA_BYTES)
    assert read(tmp_path, lying).quantization == "Q8_0"
    untold = gguf({"general.architecture": "qwen3"}, TENSORS, DATA_BYTES)
    assert read(tmp_path, untold).quantization == "Q8_0"


def test_only_the_experts_in_use_are_read_per_token(tmp_path: Path) -> None:
    experts = [tensor("blk.0.ffn_up_exps", [64, 8, 4], F32, 0), tensor("w", [64], F32, 8192)]
    counts = {"qwen3.expert_count": 4, "qwen3.expert_used_count": 1}
    header = read(tmp_path, gguf(QWEN | counts, experts, 8192 + 256))
    assert header.weights_bytes == 8192 + 256
    assert header.weights_bytes_per_token == 8192 // 4 + 256


@pytest.mark.parametrize("length", [1, 3, 4, 8, 23, 24, 40, 300, 5000])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    refused(tmp_path, MODEL[:length])


def test_missing_tensor_data_is_refused(tmp_path: Path) -> None:
    assert "cut off" in refused(tmp_path, MODEL[:-1]).message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" * 20, "not a GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"  <!DOCTYPE html><html></html>", "web page"),
        (b"tjgg" + bytes(100), "old GGML"),
        (gguf(QWEN, version=99), "version 99"),
        (gguf(QWEN, version=3 << 24), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "keys"),
    ],
)
def test_what_is_not_a_model_is_named(tmp_path: Path, content: bytes, word: str) -> None:
    assert word in refused(tmp_path, content).message


def header_with(body: bytes, keys: int = 1, tensors: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + body + bytes(64)


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<Q", 2**62) + b"key",
        string("k") + struct.pack("<IQ", 8, 2**40),
        string("k") + struct.pack("<IIQ", 9, 4, 2**61),
        string("k") + struct.pack("<IIQ", 9, 8, 5) + struct.pack("<Q", 2**50),
        string("k") + struct.pack("<IIQ", 9, 9, 1),
        string("k") + struct.pack("<I", 77),
    ],
    ids=["key", "string", "array", "strings", "nested", "type"],
)
def test_lengths_beyond_the_file_are_refused(tmp_path: Path, body: bytes) -> None:
    refused(tmp_path, header_with(body))


@pytest.mark.parametrize(
    "bad",
    [
        tensor("w", [32, 1, 1, 1, 1]),
        tensor("w", [0]),
        tensor("w", [33], Q8_0),
        tensor("w", [2**40, 2**40]),
        tensor("w", [32], type_id=4),
        tensor("w", [32], F32, offset=7),
        tensor("w", [32], F32, offset=2**63),
    ],
    ids=["dimensions", "zero", "block", "huge", "removed-type", "unaligned", "far"],
)
def test_impossible_tensors_are_refused(tmp_path: Path, bad: bytes) -> None:
    refused(tmp_path, gguf(QWEN, [bad], 4096))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_count", 0),
        ("block_count", 100_000),
        ("attention.layer_norm_rms_epsilon", -1e-6),
        ("attention.layer_norm_rms_epsilon", float("nan")),
        ("attention.layer_norm_epsilon", -1.0),
    ],
)
def test_values_that_abort_the_library_are_refused(tmp_path: Path, key: str, value: float) -> None:
    error = refused(tmp_path, gguf(QWEN | {f"qwen3.{key}": value}, TENSORS, DATA_BYTES))
    assert key in error.message


def test_a_key_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    twice = string("k") + struct.pack("<II", 4, 1)
    assert "twice" in refused(tmp_path, header_with(twice * 2, keys=2)).message


def test_flipped_bits_never_raise_anything_else(tmp_path: Path) -> None:
    rng = random.Random(5)
    outcomes = set()
    for _ in range(400):
        content = bytearray(MODEL)
        content[rng.randrange(len(MODEL) - DATA_BYTES)] ^= 1 << rng.randrange(8)
        try:
            read(tmp_path, bytes(content))
            outcomes.add("read")
        except ModelLoadError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        read_header(tmp_path / "none.gguf")
    with pytest.raises(ModelLoadError, match="folder"):
        read_header(tmp_path)


def write_split(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"m-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1)]
    for number, path in enumerate(paths):
        keys = {"general.architecture": "qwen3", "split.count": count, "split.no": number}
        path.write_bytes(gguf(keys, [tensor("w", [32])], 128))
    return paths


def test_a_split_model_is_read_from_its_first_file(tmp_path: Path) -> None:
    paths = write_split(tmp_path, 3)
    headers = read_split_headers(paths[0])
    assert [header.split_index for header in headers] == [0, 1, 2]
    with pytest.raises(ModelLoadError) as error:
        read_split_headers(paths[1])
    assert paths[0].name in error.value.hint
    paths[2].unlink()
    with pytest.raises(ModelLoadError, match=r"00003-of-00003\.gguf is missing"):
        read_split_headers(paths[0])
    renamed = paths[0].rename(tmp_path / "other.gguf")
    with pytest.raises(ModelLoadError, match="renamed"):
        read_split_headers(renamed)
