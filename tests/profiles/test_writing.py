from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profiles.errors import ProfileError
from profiles.loader import load_profiles
from profiles.writing import (
    create_profile,
    set_key,
    unset_key,
    value_from_text,
    writable_file,
)

Write = Callable[..., Path]

MINE = """\
#:schema ../profile.schema.json
# mine, and dear to me
extends = "coding"   # the built-in one

  # how it draws
[sampling]
temperature = 0.5    # tried 0.2 to 0.8
top_k = 40

# the end
"""


def test_a_change_leaves_everything_else_as_it_was(user: Path, write: Write) -> None:
    path = write(user, "mine", MINE)
    set_key(path, "sampling.temperature", 0.7)
    assert path.read_text() == MINE.replace("temperature = 0.5", "temperature = 0.7")
    set_key(path, "sampling.temperature", 0.5)
    set_key(path, "kv_type", "q8_0")
    extends = 'extends = "coding"   # the built-in one\n'
    assert path.read_text() == MINE.replace(extends, extends + 'kv_type = "q8_0"\n')
    assert unset_key(path, "kv_type")
    assert path.read_text() == MINE


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("title", 'Näme \\ "x"', {"title": 'Näme \\ "x"'}),
        ("model.mlx", "org/x", {"model": {"mlx": "org/x"}}),
        ("model.llama.cpp", "org/x", {"model": {"llama.cpp": "org/x"}}),
        ('draft."llama.cpp"', "org/d", {"draft": {"llama.cpp": "org/d"}}),
        ("permissions.run", "deny", {"permissions": {"run": "deny"}}),
        ("stop", ["a", "b"], {"stop": ["a", "b"]}),
        ("sampling.logit_bias", {" a": -2}, {"sampling": {"logit_bias": {" a": -2}}}),
        ('sampling.logit_bias." b.c"', 1.5, {"sampling": {"logit_bias": {" b.c": 1.5}}}),
        ("keep_alive", "10m", {"keep_alive": "10m"}),
        ("context_window", 8192, {"context_window": 8192}),
    ],
)
@pytest.mark.parametrize("before", ["", MINE, "[permissions]\nread = 'ask'\n", "sampling.seed = 1"])
def test_any_key_can_be_set_in_any_file(
    user: Path, write: Write, before: str, key: str, value: Any, expected: dict[str, Any]
) -> None:
    path = write(user, "mine", before)
    set_key(path, key, value)
    values, old = tomllib.loads(path.read_text()), tomllib.loads(before)
    for name, inner in expected.items():
        if isinstance(inner, dict):
            assert values[name] == old.get(name, {}) | inner
        else:
            assert values[name] == inner
    assert {k: v for k, v in values.items() if k not in expected} == {
        k: v for k, v in old.items() if k not in expected
    }


def test_a_text_gives_way_to_a_table(user: Path, write: Write) -> None:
    path = write(user, "mine", 'model = "org/x" # old\n')
    set_key(path, "model.mlx", "org/y")
    assert tomllib.loads(path.read_text()) == {"model": {"mlx": "org/y"}}
    set_key(path, "model", "org/z")
    assert tomllib.loads(path.read_text()) == {"model": "org/z"}


def test_a_comment_says_why_on_one_line(user: Path, write: Write) -> None:
    path = write(user, "mine", MINE)
    set_key(path, "sampling.top_k", 20, comment="measured:\n31 tok/s")
    assert "top_k = 20 # measured: 31 tok/s\n" in path.read_text()
    set_key(path, "sampling.top_k", 30)
    assert "top_k = 30 # measured: 31 tok/s\n" in path.read_text()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sampling.temprature", 1, "not a known key"),
        ("titel", "x", "not a known key"),
        ("title.x", 1, "must be a text"),
        ("sampling", "x", "must be a table"),
        ("kv_type", "q3", "not known"),
        ("sampling.top_p", 2, "from 0 to 1"),
        ("model.vllm", "x", "not an engine"),
        ("extends", "../x", "name of a profile"),
        ("", 1, "not a known key"),
        ("a b", 1, "not a known key"),
    ],
)
def test_what_no_profile_can_have_is_not_written(
    user: Path, write: Write, key: str, value: Any, words: str
) -> None:
    path = write(user, "mine", MINE)
    with pytest.raises(ProfileError, match=words):
        set_key(path, key, value)
    assert path.read_text() == MINE


def test_a_broken_file_is_told_and_not_touched(user: Path, write: Write) -> None:
    path = write(user, "mine", "title = ")
    with pytest.raises(ProfileError, match="not valid TOML"):
        set_key(path, "title", "x")
    assert path.read_text() == "title = "


def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(
    user: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(user, "mine", MINE)

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("profiles.atomic.os.fsync", fail)
    with pytest.raises(ProfileError, match="No space left"):
        set_key(path, "title", "x")
    assert path.read_text() == MINE
    assert [file.name for file in user.iterdir()] == ["mine.toml"]


def test_a_link_and_the_permissions_of_the_file_stay(user: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text(MINE)
    real.chmod(0o640)
    (user / "mine.toml").symlink_to(real)
    set_key(user / "mine.toml", "title", "x")
    assert (user / "mine.toml").is_symlink()
    assert 'title = "x"' in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_unsetting_what_is_not_there_changes_nothing(user: Path, write: Write) -> None:
    path = write(user, "mine", MINE)
    assert not unset_key(path, "sampling.top_p")
    assert not unset_key(path, "model.mlx")
    assert path.read_text() == MINE
    with pytest.raises(ProfileError, match="not a known key"):
        unset_key(path, "titel")


def test_a_built_in_profile_is_extended_in_the_users_folder(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "profiles"
    coding = load_profiles(folder).get("coding")
    path = writable_file(coding, folder)
    assert path == folder / "coding.toml"
    assert path.read_text().startswith("#:schema ../profile.schema.json\n")
    assert (folder.parent / "profile.schema.json").exists()
    set_key(path, "sampling.seed", 7)
    changed = load_profiles(folder).get("coding")
    assert changed.sampling.seed == 7
    assert (changed.draft_model, changed.layer) == (coding.draft_model, "user")
    assert writable_file(changed, folder) == path


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b", "x.toml"])
def test_a_name_that_is_no_file_name_is_refused(user: Path, name: str) -> None:
    with pytest.raises(ProfileError, match="cannot be called"):
        create_profile(name, user, "chat")
    assert list(user.iterdir()) == []


def test_a_profile_is_not_made_twice(user: Path) -> None:
    create_profile("fast", user, "chat")
    with pytest.raises(ProfileError, match="is there already"):
        create_profile("fast", user, "chat")
    assert load_profiles(user).get("fast").title == "Fast"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("title", "1.5", "1.5"),
        ("sampling.temperature", "1.5", 1.5),
        ("sampling.top_k", "40", 40),
        ("stop", '["a"]', ["a"]),
        ("keep_alive", "10m", "10m"),
        ("keep_alive", "600", 600),
        ("reasoning", "false", False),
        ("reasoning", "auto", "auto"),
        ("model", "org/x", "org/x"),
        ("sampling.logit_bias", '{" a" = 1}', {" a": 1}),
    ],
)
def test_what_was_typed_becomes_what_the_key_takes(key: str, text: str, value: Any) -> None:
    assert value_from_text(key, text) == value


@pytest.mark.parametrize(("key", "text"), [("sampling.top_k", "many"), ("kv_type", "'q3'")])
def test_what_was_typed_wrongly_is_told(key: str, text: str) -> None:
    with pytest.raises(ProfileError):
        value_from_text(key, text)
