from __future__ import annotations

import os
from pathlib import Path

from engines.kv.model_identity import model_identity


def test_a_file_is_known_by_its_ends_size_and_time(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"a" * 5_000_000)
    os.utime(model, (5, 5))
    first = model_identity(model)
    assert model_identity(model) == first
    os.utime(model, (6, 6))
    assert model_identity(model) != first
    for changed in (b"b" + b"a" * 4_999_999, b"a" * 4_999_999 + b"b", b"a" * 4_999_999):
        model.write_bytes(changed)
        os.utime(model, (5, 5))
        assert model_identity(model) != first


def test_every_file_of_a_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = model_identity(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing to do with it")
    assert model_identity(tmp_path) == first
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert model_identity(tmp_path) != first


def test_every_part_of_a_split_model_counts(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for part in (*parts, tmp_path / "m-00001-of-00003.gguf"):
        part.write_bytes(b"weights")
    first = model_identity(parts[0])
    (tmp_path / "m-00001-of-00003.gguf").write_bytes(b"of another model")
    assert model_identity(parts[0]) == first
    parts[1].write_bytes(b"other weights")
    assert model_identity(parts[0]) != first
