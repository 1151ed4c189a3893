from __future__ import annotations

import json
import os
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engines.described_machine import parse_machine
from engines.model_files.finding.folder_models import find_in_folder
from engines.model_files.finding.found_model import FoundModel, ModelFormat, Source
from engines.model_files.finding.gguf_description import parameters_from_name
from engines.model_files.finding.places import ModelPlaces, user_places
from engines.model_files.finding.quantization_label import quantization_label
from engines.model_files.finding.search import find_models
from engines.model_files.fit_here import fits_here
from engines.model_files.reference import ModelReference, resolve
from tests.engines.model_files.gguf_writer import gguf, tensor
from tests.engines.model_files.model_store import (
    gguf_bytes,
    mlx_files,
    safetensors_bytes,
    write_files,
    write_hugging_face,
    write_ollama,
)


@pytest.fixture
def places(tmp_path: Path) -> ModelPlaces:
    return user_places([tmp_path / "mine"], {}, tmp_path)


def found(places: ModelPlaces) -> dict[str, FoundModel]:
    models = [model for model in find_models(places) if model.source is not Source.EMBEDDED]
    assert len({model.reference for model in models}) == len(models)
    return {model.reference: model for model in models}


def test_the_embedded_pair_is_always_there() -> None:
    target, draft = find_models(ModelPlaces())
    assert (target.reference, draft.reference) == ("demo:target", "demo:draft")
    assert target.quantization == "Q8_0"
    assert target.context_window_tokens == 4096
    assert 28_000_000 < (target.parameters or 0) < 30_000_000
    assert target.engines == ("llama.cpp", "mlx")


def test_a_model_that_ollama_holds(tmp_path: Path, places: ModelPlaces) -> None:
    blob = write_ollama(
        tmp_path / ".ollama/models", "qwen3:8b", gguf_bytes(), projector=b"eyes", adapter=b"lora"
    )
    model = found(places)["ollama:qwen3:8b"]
    assert model.path == blob
    assert (model.family, model.quantization, model.parameters) == ("qwen3", "Q4_K_M", 8 * 10**9)
    assert model.context_window_tokens == 40960
    assert model.size_bytes == blob.stat().st_size
    assert model.engines == ("llama.cpp",)
    assert [path.read_bytes() for path in model.projectors] == [b"eyes"]
    assert [path.read_bytes() for path in model.adapters] == [b"lora"]
    assert model.last_used_s == pytest.approx(time.time(), abs=60)


def test_names_of_ollama(tmp_path: Path, places: ModelPlaces) -> None:
    root = tmp_path / ".ollama/models"
    write_ollama(root, "qwen3:latest", gguf_bytes(general_size_label="1B"))
    write_ollama(root, "someone/own:v1", gguf_bytes(general_size_label="2B"))
    assert set(found(places)) == {"ollama:qwen3", "ollama:someone/own:v1"}


def test_gguf_and_mlx_models_in_the_hugging_face_cache(tmp_path: Path, places: ModelPlaces) -> None:
    cache = tmp_path / ".cache/huggingface/hub"
    write_hugging_face(cache, "mlx-community/Qwen3-8B-4bit", mlx_files())
    write_hugging_face(
        cache,
        "unsloth/Qwen3-8B-GGUF",
        {
            "Qwen3-8B-Q4_K_M.gguf": gguf_bytes(),
            "Qwen3-8B-Q8_0.gguf": gguf_bytes(general_file_type=7),
            "mmproj-F16.gguf": gguf_bytes("clip", general_type="mmproj"),
        },
    )
    models = found(places)
    mlx = models["mlx-community/Qwen3-8B-4bit"]
    assert (mlx.format, mlx.engines) == (ModelFormat.SAFETENSORS, ("mlx",))
    assert (mlx.quantization, mlx.parameters) == ("4-bit", 64 * 128)
    assert mlx.context_window_tokens == 40960
    assert set(models) == {
        "mlx-community/Qwen3-8B-4bit",
        "unsloth/Qwen3-8B-GGUF:Q4_K_M",
        "unsloth/Qwen3-8B-GGUF:Q8_0",
    }
    q8 = models["unsloth/Qwen3-8B-GGUF:Q8_0"]
    assert q8.engines == ("llama.cpp", "mlx")
    assert [path.name for path in q8.projectors] == ["mmproj-F16.gguf"]


def test_two_models_of_one_quantization_have_names_of_their_own(
    tmp_path: Path, places: ModelPlaces
) -> None:
    files = {"a-Q4_0.gguf": gguf_bytes(x_y=1), "b-Q4_0.gguf": gguf_bytes(x_y=2)}
    write_hugging_face(tmp_path / ".cache/huggingface/hub", "org/two", files)
    write_files(tmp_path / ".lmstudio/models/org/three", files)
    models = found(places)
    assert set(models) == {
        f"{place}:{name}-Q4_0" for place in ("org/two", "lmstudio:org/three") for name in "ab"
    }
    for reference, model in models.items():
        assert resolve(ModelReference.parse(reference), places=places) == model.path


def test_a_split_model_is_one_model(tmp_path: Path, places: ModelPlaces) -> None:
    parts = {f"big-Q4_K_M-0000{n}-of-00002.gguf": gguf_bytes(general_name=f"{n}") for n in (1, 2)}
    write_files(tmp_path / ".lmstudio/models/org/Big-GGUF", parts)
    model = found(places)["lmstudio:org/Big-GGUF:Q4_K_M"]
    assert [path.name for path in model.files] == sorted(parts)
    assert model.size_bytes == sum(len(part) for part in parts.values())
    assert model.engines == ("llama.cpp",)


def test_a_split_model_that_lacks_a_file_is_broken(tmp_path: Path, places: ModelPlaces) -> None:
    write_files(tmp_path / "mine", {"big-00001-of-00003.gguf": gguf_bytes()})
    (model,) = found(places).values()
    assert model.problem == "2 of its files are missing."
    assert model.engines == ()


def test_both_layouts_of_lm_studio_and_its_chosen_folder(
    tmp_path: Path, places: ModelPlaces
) -> None:
    write_files(tmp_path / ".cache/lm-studio/models/a/One-GGUF", {"one-Q8_0.gguf": gguf_bytes()})
    write_files(tmp_path / ".lmstudio/models/b/Two-4bit", mlx_files())
    write_files(tmp_path / "disk/c/Three-GGUF", {"three.gguf": gguf_bytes()})
    settings = json.dumps({"downloadsFolder": str(tmp_path / "disk")})
    write_files(tmp_path / ".lmstudio", {"settings.json": settings.encode()})
    assert set(found(user_places([], {}, tmp_path))) == {
        "lmstudio:a/One-GGUF:Q8_0",
        "lmstudio:b/Two-4bit",
        "lmstudio:c/Three-GGUF:three",
    }


def test_the_variables_of_other_programs_are_followed(tmp_path: Path) -> None:
    write_hugging_face(tmp_path / "hf/hub", "a/b", {"x-Q4_0.gguf": gguf_bytes()})
    write_ollama(tmp_path / "blobs-here", "m:1", gguf_bytes())
    places = user_places(
        [], {"HF_HOME": "~/hf", "OLLAMA_MODELS": str(tmp_path / "blobs-here")}, tmp_path
    )
    assert set(found(places)) == {"a/b:Q4_0", "ollama:m:1"}
    assert user_places([], {"HF_HUB_CACHE": "/x"}, tmp_path).hugging_face == (Path("/x"),)


def test_adapters_projectors_and_encoders_are_no_models(
    tmp_path: Path, places: ModelPlaces
) -> None:
    write_files(
        tmp_path / "mine",
        {
            "lora.gguf": gguf_bytes(general_type="adapter"),
            "imatrix.gguf": gguf_bytes(general_type="imatrix"),
            "bert.gguf": gguf_bytes("bert"),
            "x.mmproj.gguf": gguf_bytes(),
            "adapters/adapter_config.json": b"{}",
            "adapters/adapters.safetensors": safetensors_bytes({}),
        },
    )
    assert not found(places)


HOSTILE = {
    "empty.gguf": b"",
    "pointer.gguf": b"version https://git-lfs.github.com/spec/v1\n",
    "cut.gguf": gguf_bytes()[:40],
    "announced.gguf": b"GGUF" + bytes([3, 0, 0, 0]) + b"\xff" * 16,
    "page.gguf": b"<!DOCTYPE html><html>",
    "zero/config.json": b"{}",
    "zero/model.safetensors": b"",
    "deep/config.json": b"[" * 100_000,
    "deep/model.safetensors": safetensors_bytes({}),
    "list/config.json": b"[1]",
    "list/model.safetensors": b"\xff" * 64,
    "odd/config.json": json.dumps(
        {"model_type": ["x"], "quantization": 3, "text_config": []}
    ).encode(),
    "odd/model.safetensors": safetensors_bytes({}),
}


def test_damaged_and_hostile_files_are_listed_as_broken(
    tmp_path: Path, places: ModelPlaces
) -> None:
    write_files(tmp_path / "mine", HOSTILE)
    models = found(places)
    assert len(models) == len({name.partition("/")[0] for name in HOSTILE})
    assert all(model.problem and not model.engines for model in models.values())
    assert all("\n" not in model.problem for model in models.values())


def test_pipes_are_not_waited_for(tmp_path: Path, places: ModelPlaces) -> None:
    folder = write_files(tmp_path / "mine/pipes", mlx_files())
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    os.mkfifo(tmp_path / "mine/pipe.gguf")
    (tmp_path / "mine/link.gguf").symlink_to(tmp_path / "mine/pipe.gguf")
    assert all(model.problem for model in found(places).values())


ODD_VALUES: tuple[Any, ...] = (None, -1, 0, 10**30, 1.5, "x", [], [[1]], {}, {"bits": [1]}, True)
KEYS = (
    "model_type",
    "quantization",
    "quantization_config",
    "text_config",
    "max_position_embeddings",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_size",
    "head_dim",
    "layer_types",
    "sliding_window",
    "torch_dtype",
    "num_experts",
    "vocab_size",
)


def test_no_value_of_a_config_stops_the_search(tmp_path: Path) -> None:
    random = Random(1)
    machine = parse_machine("M4 16GB")
    for _ in range(300):
        odd = {random.choice(KEYS): random.choice(ODD_VALUES) for _ in range(3)}
        write_files(tmp_path / "mine/odd", mlx_files(bits=random.choice((None, 4)), **odd))
        for model in find_in_folder(tmp_path / "mine"):
            assert "\n" not in model.problem
            json.dumps(model.to_json())
            fits_here(model, machine)


def test_no_damage_to_a_file_stops_the_search(tmp_path: Path) -> None:
    random = Random(2)
    content = gguf_bytes()[:600]
    machine = parse_machine("M4 16GB")
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(random.randint(1, 8)):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        write_files(tmp_path / "mine", {"odd.gguf": bytes(damaged) + gguf_bytes()[600:]})
        for model in find_in_folder(tmp_path / "mine"):
            json.dumps(model.to_json())
            fits_here(model, machine)


def test_a_manifest_cannot_reach_out_of_its_folder(tmp_path: Path, places: ModelPlaces) -> None:
    write_files(tmp_path, {"secret.gguf": gguf_bytes()})
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../secret"}
    root = tmp_path / ".ollama/models/manifests/registry.ollama.ai/library"
    write_files(root, {"evil/1": json.dumps({"layers": [layer]}).encode()})
    write_files(root, {"evil/2": b"not json", "evil/3": b'{"layers": 1}'})
    assert not found(places)


def test_a_lost_blob_is_told(tmp_path: Path, places: ModelPlaces) -> None:
    write_ollama(tmp_path / ".ollama/models", "m:1", gguf_bytes()).unlink()
    cache = tmp_path / ".cache/huggingface/hub"
    snapshot = write_hugging_face(cache, "a/b", mlx_files())
    (snapshot / "model.safetensors").resolve().unlink()
    models = found(places)
    assert models["ollama:m:1"].problem == "Its blob is missing; run: ollama pull m:1"
    assert models["a/b"].problem == "Its download is not finished."


def test_weights_of_other_methods_are_told(tmp_path: Path, places: ModelPlaces) -> None:
    config = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    write_files(tmp_path / "mine/gptq", mlx_files(bits=None, **config))
    write_files(tmp_path / "mine/unknown", mlx_files(model_type="no_such_model"))
    gptq, unknown = sorted(found(places).values(), key=lambda model: model.name)
    assert "GPTQ, which runs on NVIDIA GPUs only" in gptq.problem
    assert "no_such_model" in unknown.problem


def test_a_model_in_two_places_comes_once(tmp_path: Path, places: ModelPlaces) -> None:
    write_files(tmp_path / "mine", {"one.gguf": gguf_bytes()})
    (tmp_path / ".lmstudio/models").mkdir(parents=True)
    (tmp_path / ".lmstudio/models/mine").symlink_to(tmp_path / "mine")
    (tmp_path / "mine" / "again").symlink_to(tmp_path / "mine")
    assert len(found(places)) == 1


def test_hundreds_of_models_with_large_vocabularies_are_found_quickly(
    tmp_path: Path, places: ModelPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vocabulary is never read: its length costs nothing, whatever the machine's speed."""
    from engines.model_files import gguf_bytes as reader

    keys = {"general.architecture": "llama", "general.size_label": "8B", "llama.block_count": 1}
    tokens = {"tokenizer.ggml.tokens": [f"token{n}" for n in range(150_000)]}
    content = gguf(keys | tokens, [tensor("w", [64])], 256)
    write_files(tmp_path / "mine", {"first.gguf": content})
    for number in range(300):
        (tmp_path / "mine" / f"{number}.gguf").symlink_to(tmp_path / f"{number}.gguf")
        (tmp_path / f"{number}.gguf").hardlink_to(tmp_path / "mine" / "first.gguf")

    skip = reader.GgufBytes._skip_strings

    def skip_short_ones(source: reader.GgufBytes, count: int) -> None:
        assert count < 20_000, "a large vocabulary was read"
        skip(source, count)

    monkeypatch.setattr(reader.GgufBytes, "_skip_strings", skip_short_ones)
    models = found(places)
    assert len(models) == 301
    assert not any(model.problem for model in models.values())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("model.iq2_xxs.gguf", "IQ2_XXS"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("phi-fp16.gguf", "F16"),
        ("plain.gguf", ""),
    ],
)
def test_a_quantization_is_read_from_a_name(name: str, label: str) -> None:
    assert quantization_label(name) == label


def test_parameters_are_read_from_a_name() -> None:
    assert parameters_from_name("Qwen3-0.6B") == 600_000_000
    assert parameters_from_name("8x7B") == 56_000_000_000
    assert parameters_from_name("30B-A3B") == 30_000_000_000
    assert parameters_from_name("demo") is None
