from __future__ import annotations

from pathlib import Path

import pytest

from engines.bench.gguf_file import TensorPlan, encode_value, read_encoded_metadata, write_gguf
from engines.bench.random_model import SHAPES, random_model_path
from engines.demo import demo_model_path
from engines.errors import ModelNotFound
from engines.model_files.gguf import read_header


def test_a_written_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    metadata = {
        "general.architecture": encode_value("qwen3"),
        "qwen3.block_count": encode_value(1),
        "qwen3.rope.freq_base": encode_value(0.5),
    }
    tensors = [TensorPlan("a.weight", (3,), 0), TensorPlan("b.weight", (32, 2), 8)]
    write_gguf(path, metadata, tensors, lambda tensor: iter([bytes(tensor.size_bytes)]))
    header = read_header(path)
    assert header.metadata == {
        "general.architecture": "qwen3",
        "qwen3.block_count": 1,
        "qwen3.rope.freq_base": 0.5,
    }
    assert [(t.name, t.shape, t.size_bytes) for t in header.tensors] == [
        ("a.weight", (3,), 12),
        ("b.weight", (32, 2), 68),
    ]


def test_a_tensor_of_the_wrong_size_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.gguf"
    with pytest.raises(ValueError, match=r"a\.weight has 5 bytes"):
        write_gguf(path, {}, [TensorPlan("a.weight", (3,), 0)], lambda tensor: iter([b"12345"]))
    assert not path.exists()


def test_metadata_is_taken_over_byte_by_byte(tmp_path: Path) -> None:
    source = demo_model_path("demo:draft")
    assert source is not None
    path = tmp_path / "copy.gguf"
    encoded = read_encoded_metadata(source)
    write_gguf(path, encoded, [], lambda tensor: iter(()))
    assert read_encoded_metadata(path) == encoded
    assert read_header(path).metadata == read_header(source).metadata


@pytest.mark.parametrize("quantization", ["Q8_0", "Q4_K_M"])
def test_a_random_model_has_its_shape_and_is_written_once(
    tmp_path: Path, quantization: str
) -> None:
    said: list[str] = []
    path = random_model_path(f"random:tiny:{quantization}", tmp_path / "new", said.append)
    assert said
    header = read_header(path)
    assert header.block_count == SHAPES["tiny"].layers
    assert header.parameters > 4e6
    written_ns = path.stat().st_mtime_ns
    assert random_model_path(f"random:tiny:{quantization}", tmp_path / "new") == path
    assert path.stat().st_mtime_ns == written_ns


@pytest.mark.parametrize("name", ["random:", "random:3B", "random:tiny:Q2_K"])
def test_an_unknown_size_is_refused_with_what_there_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        random_model_path(name, tmp_path)
    assert "100M" in caught.value.hint and "Q8_0" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("size", "parameters"), [("100M", 100e6), ("1B", 1e9)])
def test_the_sizes_are_what_they_are_called(size: str, parameters: float) -> None:
    from engines.bench.random_model import _tensors
    from engines.bench.random_weights import FILE_TYPES

    total = 0
    for tensor in _tensors(SHAPES[size], FILE_TYPES["Q8_0"], vocabulary_size=8192):
        count = 1
        for length in tensor.shape:
            count *= length
        total += count
    assert total == pytest.approx(parameters, rel=0.05)
