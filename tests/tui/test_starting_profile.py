from __future__ import annotations

from pathlib import Path

import pytest

from profiles.errors import ProfileError
from profiles.loader import ProfileCatalog, load_profiles
from profiles.schema import Profile
from tui.options import AppOptions, starting_profile, with_profile


def test_the_first_profile_is_the_default() -> None:
    assert starting_profile(AppOptions(), load_profiles()).name == "chat"


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(ProfileError, match="no profile called nope"):
        starting_profile(AppOptions(profile="nope"), load_profiles())


def test_a_model_leaves_the_profiles_engine_and_draft_behind() -> None:
    options = AppOptions(profile="coding", model="m.gguf")
    profile = starting_profile(options, load_profiles())
    assert (profile.model, profile.engine, profile.draft_model) == ("m.gguf", "auto", None)
    assert profile.name == "coding"


@pytest.mark.parametrize(
    ("profile", "draft", "expected"),
    [
        ("coding", "off", None),
        ("coding", None, "demo:draft"),
        ("chat", None, None),
        ("chat", "auto", "demo:draft"),
        ("chat", "d.gguf", "d.gguf"),
    ],
)
def test_draft(profile: str, draft: str | None, expected: str | None) -> None:
    options = AppOptions(profile=profile, draft=draft)
    assert starting_profile(options, load_profiles()).draft_model == expected


def test_the_scripted_engine_takes_script_and_rate() -> None:
    options = AppOptions(engine="scripted", script=Path("a/b.md"), rate_tps=50.0)
    profile = starting_profile(options, load_profiles())
    assert profile.engine == "scripted"
    assert profile.options == (("script", "a/b.md"), ("rate", "50.0"))


def test_the_starting_profile_takes_its_place_in_the_catalog() -> None:
    catalog = load_profiles()
    profile = starting_profile(AppOptions(model="m.gguf"), catalog)
    changed = with_profile(catalog, profile)
    assert list(changed.profiles) == list(catalog.profiles)
    assert changed.get("chat").model == "m.gguf"


def test_the_users_choice_comes_before_the_first_and_after_the_command_line() -> None:
    catalog = load_profiles()
    assert starting_profile(AppOptions(), catalog, "reasoning").name == "reasoning"
    assert starting_profile(AppOptions(profile="chat"), catalog, "reasoning").name == "chat"
    assert starting_profile(AppOptions(model="m.gguf"), catalog, "coding").name == "coding"


def test_a_model_leaves_everything_of_the_profiles_models_behind() -> None:
    models = (("mlx", "a"), ("llama.cpp", "b"))
    mine = Profile(
        "mine",
        "a",
        model_by_engine=models,
        draft_by_engine=models,
        quantization="Q4_0",
        adapter="x",
    )
    catalog = ProfileCatalog({"mine": mine})
    profile = starting_profile(AppOptions(model="m.gguf"), catalog)
    assert profile == Profile("mine", "m.gguf")
    chosen = starting_profile(AppOptions(draft="d.gguf"), catalog)
    assert [chosen.draft_for(engine) for engine in ("mlx", "llama.cpp")] == ["d.gguf"] * 2
