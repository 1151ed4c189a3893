from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.demo import demo_model_path
from profiles.checking import check_profile
from profiles.loader import load_profiles
from profiles.schema import Profile

CODING = load_profiles().get("coding")


@pytest.mark.parametrize("name", ["chat", "coding", "reasoning", "long-doc"])
def test_the_built_in_profiles_have_no_errors(name: str) -> None:
    assert check_profile(load_profiles().get(name)) == []


@pytest.mark.parametrize("key", ["model", "draft"])
def test_a_missing_model_names_file_and_key(key: str) -> None:
    field = {"model": "model", "draft": "draft_model"}[key]
    profile = replace(CODING, origin="mine.toml", **{field: "/no/model.gguf"})  # type: ignore[arg-type]
    [error] = check_profile(profile)
    assert (error.file, error.key) == ("mine.toml", key)
    assert error.message.startswith(f"mine.toml: {key}: There is no model at /no/model.gguf")
    assert error.hint


def test_a_damaged_model_is_found_without_loading_it(tmp_path: Path) -> None:
    target = demo_model_path("demo:target")
    assert target is not None
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(target.read_bytes()[:100_000])
    [error] = check_profile(replace(CODING, model=str(cut), draft_model=None))
    assert error.key == "model"


def test_a_draft_with_another_vocabulary_is_refused(tmp_path: Path) -> None:
    draft = demo_model_path("demo:draft")
    assert draft is not None
    other = tmp_path / "other.gguf"
    other.write_bytes(draft.read_bytes().replace(b"gpt2", b"gpt9", 1))
    [error] = check_profile(replace(CODING, draft_model=str(other)))
    assert error.key == "draft"
    assert "vocabulary" in error.message


def test_an_engine_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.registry.importlib.util.find_spec", lambda name: None)
    [error] = check_profile(Profile("mine", "demo:target", engine="mlx", origin="mine.toml"))
    assert (error.file, error.key) == ("mine.toml", "engine")
    assert "not installed" in error.message


def test_an_adapter_that_is_not_there_is_told(tmp_path: Path) -> None:
    profile = Profile("p", "demo:target", engine="mlx", adapter=str(tmp_path / "none"))
    (error,) = check_profile(profile)
    assert (error.key, "no adapter at" in error.message) == ("adapter", True)
    (tmp_path / "none").mkdir()
    (error,) = check_profile(profile)
    assert "adapters.safetensors" in error.message
