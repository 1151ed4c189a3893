from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import ModelLoadError, ModelNotFound
from engines.model_files.finding.places import ModelPlaces, user_places
from engines.model_files.locate import locate_model
from engines.model_files.reference import ModelReference, ReferenceKind, engines_for, resolve
from tests.engines.model_files.model_store import (
    gguf_bytes,
    mlx_files,
    write_files,
    write_hugging_face,
    write_ollama,
)


@pytest.fixture
def places(tmp_path: Path) -> ModelPlaces:
    return user_places([], {}, tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / ".cache/huggingface/hub"


def path_of(text: str, places: ModelPlaces, engine: str = "") -> Path:
    return resolve(ModelReference.parse(text), engine, places)


def hint_of(text: str, places: ModelPlaces, engine: str = "") -> str:
    with pytest.raises((ModelNotFound, ModelLoadError)) as error:
        path_of(text, places, engine)
    assert error.value.message.endswith(".")
    return error.value.hint


@pytest.mark.parametrize(
    ("text", "kind", "name", "quantization"),
    [
        ("demo:target", ReferenceKind.EMBEDDED, "demo:target", ""),
        ("ollama:qwen3:8b", ReferenceKind.OLLAMA, "qwen3:8b", ""),
        ("lmstudio:a/b:Q4_0", ReferenceKind.LM_STUDIO, "a/b:Q4_0", ""),
        ("random:1B", ReferenceKind.RANDOM, "1B", ""),
        ("Qwen/Qwen3-8B", ReferenceKind.REPOSITORY, "Qwen/Qwen3-8B", ""),
        ("a/b.c_d:Q4_K_M", ReferenceKind.REPOSITORY, "a/b.c_d", "Q4_K_M"),
        ("a/b.gguf", ReferenceKind.PATH, "a/b.gguf", ""),
        ("/a/b", ReferenceKind.PATH, "/a/b", ""),
        ("./a/b", ReferenceKind.PATH, "./a/b", ""),
        ("~/a", ReferenceKind.PATH, "~/a", ""),
        ("a/b/c", ReferenceKind.PATH, "a/b/c", ""),
        ("", ReferenceKind.PATH, "", ""),
    ],
)
def test_what_a_text_means(text: str, kind: ReferenceKind, name: str, quantization: str) -> None:
    reference = ModelReference.parse(text)
    assert (reference.kind, reference.name, reference.quantization) == (kind, name, quantization)
    assert str(reference) == text


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("https://hub.example/org/x", "org/x"),
        ("https://hub.example/org/x-GGUF/tree/main", "org/x-GGUF"),
        ("http://mirror:8080/org/x-GGUF/blob/main/x-Q4_K_M.gguf", "org/x-GGUF:Q4_K_M"),
        ("https://hub.example/org/x:Q8_0", "org/x:Q8_0"),
    ],
)
def test_a_page_of_a_hub_means_its_repository(address: str, meant: str) -> None:
    assert str(ModelReference.parse(address)) == meant


def test_a_folder_that_is_there_goes_before_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "org/model", mlx_files())
    monkeypatch.chdir(tmp_path)
    assert ModelReference.parse("org/model").kind is ReferenceKind.PATH
    assert locate_model("org/model") == Path("org/model")


def test_a_repository_gives_each_engine_its_form(cache: Path, places: ModelPlaces) -> None:
    files = mlx_files() | {"m-Q8_0.gguf": gguf_bytes(), "m-Q4_K_M.gguf": gguf_bytes(x_y=1)}
    snapshot = write_hugging_face(cache, "Org/Both", files)
    assert path_of("Org/Both", places) == snapshot
    assert path_of("org/both", places, "mlx") == snapshot
    assert path_of("Org/Both", places, "llama.cpp") == snapshot / "m-Q4_K_M.gguf"
    assert path_of("Org/Both:q8_0", places, "mlx") == snapshot / "m-Q8_0.gguf"
    assert engines_for("Org/Both:Q8_0", places) == ("llama.cpp", "mlx")
    assert engines_for("Org/Both", places) == ("mlx",)


def test_a_repository_that_lm_studio_downloaded_is_used(
    tmp_path: Path, places: ModelPlaces
) -> None:
    folder = write_files(tmp_path / ".lmstudio/models/org/x", {"x-Q4_0.gguf": gguf_bytes()})
    assert path_of("org/x:Q4_0", places) == folder / "x-Q4_0.gguf"


def test_an_mlx_model_is_refused_for_llama_cpp(cache: Path, places: ModelPlaces) -> None:
    write_hugging_face(cache, "org/mlx", mlx_files())
    assert "--engine mlx" in hint_of("org/mlx", places, "llama.cpp")


def test_ollama_names(tmp_path: Path, places: ModelPlaces) -> None:
    root = tmp_path / ".ollama/models"
    latest = write_ollama(root, "qwen3:latest", gguf_bytes(general_name="a"))
    small = write_ollama(root, "tiny:1b", gguf_bytes(general_name="b"))
    own = write_ollama(root, "me/own:v1", gguf_bytes(general_name="c"))
    assert path_of("ollama:qwen3", places) == latest
    assert path_of("ollama:tiny", places) == small
    assert path_of("ollama:me/own:v1", places) == own
    assert engines_for("ollama:tiny:1b", places) == ("llama.cpp", "mlx")
    assert hint_of("ollama:tiny:2b", places) == "Did you mean ollama:tiny:1b?"
    assert hint_of("ollama:gone:1b", places) == "Get it with: ollama pull gone:1b"
    assert hint_of("ollama:../../etc:passwd", places)


@pytest.mark.parametrize(
    "name", ["org/X-GGUF:Q4_0", "org/x-gguf", "X-GGUF:Q4_0", "x-gguf", "x-q4_0", "x-Q4_0.gguf"]
)
def test_lm_studio_names(tmp_path: Path, places: ModelPlaces, name: str) -> None:
    folder = write_files(tmp_path / ".lmstudio/models/org/X-GGUF", {"x-Q4_0.gguf": gguf_bytes()})
    assert path_of(f"lmstudio:{name}", places) == folder / "x-Q4_0.gguf"


def test_what_is_not_here_comes_with_what_to_do(cache: Path, places: ModelPlaces) -> None:
    write_hugging_face(cache, "org/Qwen3-8B-GGUF", {"q-Q4_K_M.gguf": gguf_bytes()})
    assert "llm-tui models pull Qwen/Qwen3-8B" in hint_of("Qwen/Qwen3-8B", places)
    assert "Did you mean org/Qwen3-8B-GGUF:Q4_K_M?" in hint_of("org/Qwen3-8B-GGUF:Q5_K_M", places)
    assert "llm-tui bench" in hint_of("random:1B", places)
    assert "demo:target" in hint_of("/no/such/file", places)
    assert engines_for("nobody/nothing", places) == ()
    assert engines_for("demo:target", places) == ()


@pytest.mark.parametrize("number", range(4))
def test_names_that_no_file_can_have(number: int, places: ModelPlaces) -> None:
    names = ("a" * 5000, "a/" + "b" * 5000, "a\0b", "~nobody-there/x")
    assert hint_of(names[number], places)


def test_a_folder_without_models_is_taken_as_it_is(tmp_path: Path, places: ModelPlaces) -> None:
    write_files(tmp_path / "folder/below", {"a-Q8_0.gguf": gguf_bytes()})
    assert path_of(str(tmp_path / "folder"), places) == tmp_path / "folder"


def test_a_folder_of_gguf_files_gives_its_best_one(tmp_path: Path, places: ModelPlaces) -> None:
    files = {"a-Q8_0.gguf": gguf_bytes(), "a-Q4_K_M.gguf": gguf_bytes(), "mmproj.gguf": b""}
    folder = write_files(tmp_path / "folder", files)
    assert path_of(str(folder), places) == folder / "a-Q4_K_M.gguf"
