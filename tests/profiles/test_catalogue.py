from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from engines.errors import ModelNotFound
from engines.quantization import GGUF, MLX
from profiles.catalogue import (
    FILE_NAME,
    CatalogueModel,
    load_catalogue,
    parse_catalogue,
    quantization_of_mlx,
)
from profiles.errors import ProfileError
from profiles.task import Task

BUILTIN = load_catalogue()
ENTRY = """
[[model]]
name = "Mine-7B"
released = 2026-10-01
license = "MIT"
parameters = 7.0
"""


@pytest.fixture(params=list(BUILTIN.models.values()), ids=list(BUILTIN.models))
def model(request: pytest.FixtureRequest) -> CatalogueModel:
    found: CatalogueModel = request.param
    return found


def test_every_entry_is_complete(model: CatalogueModel) -> None:
    assert model.repository.endswith(tuple(_spellings(model.name)))
    assert model.license and model.family
    assert model.released <= model.checked
    assert model.shape.context_window_tokens >= 16_384
    assert model.shape.vocabulary_size > 30_000
    assert model.shape.active_parameters <= model.shape.parameters
    assert model.shape.attention
    assert model.gguf.upper().endswith("GGUF")
    for quantization, repository in model.mlx_forms.items():
        assert repository.startswith("mlx-community/")
        assert model.weights_in(quantization).total_bytes > 0


def _spellings(name: str) -> tuple[str, ...]:
    """Google writes its repositories' names in lower case, with -it."""
    return name, name.lower(), f"{name.lower()}-it", f"{name.replace('Gemma', 'gemma')}-it"


def test_a_draft_has_its_models_vocabulary_and_is_much_smaller(model: CatalogueModel) -> None:
    if model.draft:
        draft = BUILTIN.models[model.draft]
        assert abs(draft.shape.vocabulary_size - model.shape.vocabulary_size) <= 128 or (
            "Qwen" in draft.family or "DeepSeek" in draft.family  # padded to other multiples
        )
        assert draft.shape.parameters * 2.5 < model.shape.parameters


@pytest.mark.parametrize(
    ("name", "quantization", "gib"),
    [
        ("Qwen3.5-9B", "Q4_K_M", 5.28),
        ("Qwen3.5-9B", "Q8_0", 8.86),
        ("Qwen3.6-35B-A3B", "Q4_K_M", 19.70),
        ("Qwen3.6-35B-A3B", "UD-Q4_K_XL", 20.81),
        ("Qwen3.5-35B-A3B", "Q8_0", 35.80),
        ("gpt-oss-20b", "Q4_K_M", 10.81),
    ],
)
def test_sizes_are_those_of_the_published_files(name: str, quantization: str, gib: float) -> None:
    """As llama-bench prints them, within 5 %."""
    weights = BUILTIN.models[name].weights_in(quantization)
    assert weights.total_bytes / 2**30 == pytest.approx(gib, rel=0.05)


def test_every_task_has_models() -> None:
    for task in Task:
        assert [model for model in BUILTIN.models.values() if task in model.tasks], task


@pytest.mark.parametrize(
    ("today", "is_aged"), [(date(2027, 2, 24), False), (date(2027, 2, 25), True)]
)
def test_an_entry_ages_after_a_year(today: date, is_aged: bool) -> None:
    assert BUILTIN.models["Qwen3.5-9B"].is_aged(today) is is_aged


@pytest.mark.parametrize(
    ("name", "model", "quantization", "form"),
    [
        ("Qwen3-14B", "Qwen3-14B", "", ""),
        ("qwen/qwen3-14b", "Qwen3-14B", "", ""),
        ("Qwen/Qwen3-14B:Q5_K_M", "Qwen3-14B", "Q5_K_M", ""),
        ("Qwen/Qwen3-14B-GGUF:Q4_K_M", "Qwen3-14B", "Q4_K_M", GGUF),
        ("mlx-community/Qwen3-14B-8bit", "Qwen3-14B", "8-bit", MLX),
        ("google/gemma-3-12b-it", "Gemma-3-12B", "", ""),
    ],
)
def test_a_model_is_found_by_each_of_its_names(
    name: str, model: str, quantization: str, form: str
) -> None:
    found = BUILTIN.find(name)
    assert (found.model.name, found.quantization, found.format) == (model, quantization, form)


@pytest.mark.parametrize(
    ("name", "hint"), [("Qwen3-15B", "Qwen3-14B"), ("lama-3.3-70b", "Llama-3.3-70B-Instruct")]
)
def test_another_name_gets_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ModelNotFound) as error:
        BUILTIN.find(name)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("name", "parameters", "active"),
    [
        ("Qwen/Qwen3-235B-A22B", 235e9, 22e9),
        ("org/Model-1.7B-Instruct", 1.7e9, 1.7e9),
        ("org/model-70B", 70e9, 70e9),
        ("org/Model-4bit", None, None),
        ("org/Model-v2.0B2", None, None),
        ("org/Model-0B", None, None),
    ],
)
def test_a_size_in_a_name_is_a_guess(
    name: str, parameters: float | None, active: float | None
) -> None:
    shape = BUILTIN.guess(name)
    assert (shape.parameters if shape else None) == parameters
    assert (shape.active_parameters if shape else None) == active
    assert shape is None or shape.kv_cache_bytes(1000) > 0


@pytest.mark.parametrize(
    ("repository", "quantization"),
    [
        ("mlx-community/Qwen3-8B-4bit", "4-bit"),
        ("mlx-community/gpt-oss-20b-MXFP4-Q8", "8-bit"),
        ("mlx-community/Qwen3-8B-bf16", "bf16"),
    ],
)
def test_an_mlx_repositorys_name_tells_its_bits(repository: str, quantization: str) -> None:
    assert quantization_of_mlx(repository) == quantization


def test_the_users_entries_are_added_and_replace(tmp_path: Path) -> None:
    own = ENTRY + ENTRY.replace("Mine-7B", "Qwen3-14B").replace("7.0", "15.0")
    (tmp_path / FILE_NAME).write_text(own)
    catalogue = load_catalogue(tmp_path)
    assert catalogue.error is None
    assert catalogue.models["Mine-7B"].license == "MIT"
    assert catalogue.models["Qwen3-14B"].shape.parameters == 15_000_000_000
    assert catalogue.models["Qwen3.5-9B"] == BUILTIN.models["Qwen3.5-9B"]


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[[model]\n", "", "Correct that line"),
        ("model = 3", "model", "[[model]]"),
        (ENTRY.replace("released", "relased"), "model.0.released", ""),
        (ENTRY + 'licence = "MIT"', "model.0.licence", "Did you mean license?"),
        (ENTRY + 'tasks = ["cooking"]', "model.0", ""),
        (ENTRY + "attention = [{ layers = 3 }]", "model.0", ""),
        (ENTRY.replace("7.0", '"seven"'), "model.0.parameters", ""),
    ],
)
def test_a_broken_file_leaves_the_builtin_models(
    tmp_path: Path, text: str, key: str, hint: str
) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    catalogue = load_catalogue(tmp_path)
    assert catalogue.models == BUILTIN.models
    assert catalogue.error is not None
    assert catalogue.error.key == key
    assert hint in catalogue.error.hint
    assert FILE_NAME in catalogue.error.message


def test_a_catalogue_of_text_can_be_parsed_alone() -> None:
    assert list(parse_catalogue(ENTRY, "test")) == ["Mine-7B"]
    with pytest.raises(ProfileError):
        parse_catalogue("[[model]]", "test")
