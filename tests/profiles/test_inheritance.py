from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profiles.layers import project_profiles
from profiles.loader import load_profiles

Write = Callable[..., Path]


def trusted(folder: Path) -> bool:
    return True


def test_a_file_of_the_same_name_replaces_unless_it_extends(user: Path, write: Write) -> None:
    write(user, "coding", 'model = "demo:target"')
    write(user, "chat", 'extends = "chat"\n[sampling]\ntemperature = 0.9')
    catalog = load_profiles(user)
    assert catalog.get("coding").draft_model is None
    assert catalog.get("coding").system_prompt == ""
    chat = catalog.get("chat")
    assert (chat.sampling.temperature, chat.sampling.top_k) == (0.9, 20)
    assert (chat.title, chat.system_prompt) == ("Chat", "You are a helpful assistant.")


def test_layers_lie_on_each_other(user: Path, project: Path, write: Write) -> None:
    write(user, "coding", 'extends = "coding"\nkv_type = "q8_0"\nstop = ["a"]')
    write(project, "coding", 'extends = "coding"\nstop = ["b"]')
    write(project, "ours", 'extends = "coding"')
    catalog = load_profiles(user, project, trusted)
    assert list(catalog.profiles) == ["chat", "coding", "reasoning", "long-doc", "ours"]
    coding = catalog.get("coding")
    assert (coding.kv_type, coding.stop, coding.draft_model) == ("q8_0", ("b",), "demo:draft")
    assert (coding.layer, coding.title) == ("project", "Coding")
    assert (catalog.get("ours").stop, catalog.get("ours").title) == (("b",), "Ours")


def test_a_users_profile_means_the_same_in_every_folder(
    user: Path, project: Path, write: Write
) -> None:
    write(user, "mine", 'extends = "chat"')
    write(project, "chat", 'extends = "chat"\nsystem_prompt = "Obey the project."')
    catalog = load_profiles(user, project, trusted)
    assert catalog.get("chat").system_prompt == "Obey the project."
    assert catalog.get("mine").system_prompt == "You are a helpful assistant."


def test_tables_are_merged_at_every_depth(user: Path, write: Write) -> None:
    write(user, "base", 'model = "x"\n[sampling]\ntop_k = 1\nlogit_bias = {a = 1, b = 2}')
    write(user, "mine", 'extends = "base"\n[sampling]\nlogit_bias = {b = 3}')
    sampling = load_profiles(user).get("mine").sampling
    assert (sampling.top_k, sampling.logit_bias) == (1, (("a", 1.0), ("b", 3.0)))


def test_a_model_leaves_the_other_models_draft_behind(user: Path, write: Write) -> None:
    write(user, "base", 'model = "x"\ndraft = "d"\nquantization = "Q4_0"\nadapter = "a"')
    write(user, "same", 'extends = "base"\nkv_type = "q8_0"')
    write(user, "other", 'extends = "base"\nmodel = "y"')
    catalog = load_profiles(user)
    same, other = catalog.get("same"), catalog.get("other")
    assert (same.draft_model, same.quantization, same.adapter) == ("d", "Q4_0", "a")
    assert (other.draft_model, other.quantization, other.adapter) == (None, "", None)


def test_a_grammar_takes_the_place_of_a_schema(user: Path, write: Write) -> None:
    (user / "a.gbnf").write_text('root ::= "a"')
    write(user, "base", 'model = "x"\njson_schema = "{}"')
    write(user, "mine", 'extends = "base"\ngrammar = "a.gbnf"')
    constraint = load_profiles(user).get("mine").constraint
    assert constraint is not None
    assert constraint.text == 'root ::= "a"'


def test_a_circle_names_its_members_and_the_others_work(user: Path, write: Write) -> None:
    write(user, "a", 'extends = "b"')
    write(user, "b", 'extends = "c"')
    write(user, "c", 'extends = "a"')
    catalog = load_profiles(user)
    assert "a → b → c → a" in catalog.errors["a"].message
    assert (catalog.errors["a"].key, catalog.errors["a"].line) == ("extends", 1)
    assert set(catalog.errors) == {"a", "b", "c"}
    assert len(catalog.profiles) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('extends = "nope"', "no such profile"),
        ('extends = "mine"', "no such profile"),
        ('extends = "broken"', "which is broken"),
    ],
)
def test_what_is_extended_must_be_there_and_whole(
    user: Path, write: Write, text: str, words: str
) -> None:
    write(user, "broken", "kv_type = 3")
    write(user, "mine", text)
    error = load_profiles(user).errors["mine"]
    assert words in error.message
    assert (error.file, error.line) == (str(user / "mine.toml"), 1)
    assert error.hint


def test_the_nearest_profile_is_named(user: Path, write: Write) -> None:
    write(user, "mine", 'title = "x"\n  extends = "codin"')
    error = load_profiles(user).errors["mine"]
    assert (error.hint, error.line, error.column) == ("Did you mean coding?", 2, 3)


def test_an_engine_without_a_model_is_told_at_its_line(user: Path, write: Write) -> None:
    write(user, "mine", 'model.mlx = "x"\nengine = "llama.cpp"')
    error = load_profiles(user).errors["mine"]
    assert (error.key, error.line) == ("engine", 2)


def test_a_profile_needs_a_model_of_its_own_or_by_inheritance(user: Path, write: Write) -> None:
    write(user, "mine", 'title = "x"')
    write(user, "base", 'extends = "chat"')
    assert load_profiles(user).errors["mine"].key == "model"
    assert load_profiles(user).get("base").model == "demo:target"


def test_the_project_is_looked_for_up_to_the_repository_and_never_at_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    work = home / "code" / "repo" / "src" / "deep"
    work.mkdir(parents=True)
    (home / ".llm-tui" / "profiles").mkdir(parents=True)
    assert project_profiles(work, home) is None
    above = home / "code" / ".llm-tui" / "profiles"
    above.mkdir(parents=True)
    assert project_profiles(work, home) == above
    (home / "code" / "repo" / ".git").mkdir()
    assert project_profiles(work, home) is None
    own = home / "code" / "repo" / ".llm-tui" / "profiles"
    own.mkdir(parents=True)
    assert project_profiles(work, home) == own
    assert project_profiles(home, home) is None


def test_what_broke_since_is_kept_as_it_was(user: Path, write: Write) -> None:
    write(user, "mine", 'model = "x"')
    before = load_profiles(user)
    write(user, "mine", 'model = "y"\nkv_type = 3')
    write(user, "new", "model = 3")
    after = load_profiles(user).keeping(before)
    assert after.profiles["mine"].model == "x"
    assert "new" not in after.profiles
    assert set(after.errors) == {"mine", "new"}
    assert list(after.profiles) == list(before.profiles)
    (user / "mine.toml").unlink()
    assert "mine" not in load_profiles(user).keeping(after).profiles
