from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import EngineUnavailable
from engines.types import SamplingParams
from profiles.errors import ProfileError
from profiles.loader import load_profiles
from profiles.resolve import load_request
from profiles.schema import Profile


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def test_the_built_in_profiles_use_both_engines_and_one_has_a_draft() -> None:
    catalog = load_profiles()
    assert list(catalog.profiles) == ["chat", "coding", "reasoning", "long-doc"]
    assert not catalog.errors
    engines = [load_request(profile).engine for profile in catalog.profiles.values()]
    assert sorted(engines) == ["llama.cpp", "llama.cpp", "mlx", "mlx"]
    drafts = [profile.draft_model for profile in catalog.profiles.values()]
    assert drafts.count("demo:draft") == 1
    assert catalog.get("reasoning").reasoning is True


def test_a_users_profile_replaces_a_built_in_one_in_its_place(tmp_path: Path) -> None:
    write(tmp_path, "chat", 'model = "/models/mine.gguf"\nstop = ["###"]\n[sampling]\ntop_k = 5')
    write(tmp_path, "zebra", 'model = "demo:target"')
    catalog = load_profiles(tmp_path)
    assert list(catalog.profiles) == ["chat", "coding", "reasoning", "long-doc", "zebra"]
    chat = catalog.get("chat")
    assert (chat.model, chat.stop, chat.sampling.top_k) == ("/models/mine.gguf", ("###",), 5)
    assert chat.title == "Chat"


def test_every_sampling_setting_can_be_in_a_profile(tmp_path: Path) -> None:
    settings = """
        temperature = 0.5
        top_k = 3
        top_p = 0.9
        min_p = 0.1
        repetition_penalty = 1.1
        presence_penalty = -0.5
        frequency_penalty = 0.25
        seed = 7
        logit_bias = {" foo" = -5, "{" = 1.5}
    """
    write(tmp_path, "mine", f"model = 'x'\n[sampling]\n{settings}")
    assert load_profiles(tmp_path).get("mine").sampling == SamplingParams(
        0.5, 3, 0.9, 0.1, 1.1, -0.5, 0.25, 7, ((" foo", -5), ("{", 1.5))
    )


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("modle = 'x'", "modle", "not a known key"),
        ("title = 'x'", "model", "missing"),
        ("model = 3", "model", "must be a text"),
        ("model = 'x'\nreasoning = 1", "reasoning", "true or false"),
        ("model = 'x'\nmax_tokens = -1", "max_tokens", "0 or more"),
        ("model = 'x'\nmax_tokens = true", "max_tokens", "whole number"),
        ("model = 'x'\nengine = 'vllm'", "engine", "not known"),
        ("model = 'x'\nkv_type = 'q3'", "kv_type", "not known"),
        ("model = 'x'\nstop = [1]", "stop", "list of texts"),
        ("model = 'x'\n[sampling]\ntemprature = 1", "sampling.temprature", "not a known key"),
        ("model = 'x'\n[sampling]\ntop_p = 1.5", "sampling.top_p", "from 0 to 1, not 1.5"),
        ("model = 'x'\n[sampling]\ntemperature = nan", "sampling.temperature", "not nan"),
        ("model = 'x'\n[sampling]\nlogit_bias = 3", "sampling.logit_bias", "a table"),
        (
            "model = 'x'\n[sampling]\nlogit_bias = {' a' = 'b'}",
            "sampling.logit_bias. a",
            "must be a number",
        ),
        ("model = ", "", "not valid TOML"),
    ],
)
def test_a_broken_profile_names_its_file_and_key_and_the_others_work(
    tmp_path: Path, text: str, key: str, words: str
) -> None:
    write(tmp_path, "mine", text)
    catalog = load_profiles(tmp_path)
    assert len(catalog.profiles) == 4
    with pytest.raises(ProfileError, match=words) as error:
        catalog.get("mine")
    assert error.value.key == key
    assert str(tmp_path / "mine.toml") in error.value.message
    assert error.value.hint


def test_a_misspelt_key_is_told_its_nearest_neighbor(tmp_path: Path) -> None:
    write(tmp_path, "mine", "modle = 'x'")
    assert load_profiles(tmp_path).errors["mine"].hint == "Did you mean model?"


def test_a_file_that_is_no_text_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in load_profiles(tmp_path).errors["mine"].message


def test_next_after_goes_round() -> None:
    catalog = load_profiles()
    assert catalog.next_after("chat").name == "coding"
    assert catalog.next_after("long-doc").name == "chat"
    assert catalog.next_after("chat", -1).name == "long-doc"


def only(available: str) -> object:
    def unavailable(name: str) -> EngineUnavailable | None:
        return None if name == available else EngineUnavailable(f"no {name}")

    return unavailable


@pytest.mark.parametrize(
    ("profile", "available", "engine"),
    [
        (Profile("p", "demo:target", engine="llama.cpp"), "mlx", "mlx"),
        (Profile("p", "/m/x.gguf"), "llama.cpp", "llama.cpp"),
        (Profile("p", "/m/x.gguf"), "mlx", "mlx"),
        (Profile("p", "/m/folder"), "llama.cpp", "llama.cpp"),
    ],
)
def test_an_engine_that_is_missing_is_replaced_where_the_model_runs_on_the_other(
    profile: Profile, available: str, engine: str
) -> None:
    assert load_request(profile, only(available)).engine == engine  # type: ignore[arg-type]


def test_an_engine_that_was_asked_for_is_not_replaced() -> None:
    with pytest.raises(EngineUnavailable, match="no mlx"):
        load_request(Profile("p", "/m/folder", engine="mlx"), only("llama.cpp"))  # type: ignore[arg-type]
