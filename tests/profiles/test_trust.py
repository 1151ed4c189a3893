"""What a cloned repository's profiles may say before anybody vouches for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from profiles.loader import load_profiles
from profiles.permissions import Permission, Permissions
from profiles.schema import Profile
from profiles.trust import TrustError, TrustList, profile_texts

Write = Callable[..., Path]


@pytest.fixture
def load(user: Path, project: Path, tmp_path: Path) -> Callable[[str], Profile]:
    """Loads a profile by name, as it is without trust."""
    return lambda name: load_profiles(user, project).get(name)


@pytest.mark.parametrize(
    "model",
    ["org/repo", "org/repo:Q4_K_M", "ollama:qwen3:8b", "lmstudio:org/repo", "demo:target"],
)
def test_a_model_that_is_only_named_counts(
    load: Callable[[str], Profile], project: Path, write: Write, model: str
) -> None:
    write(project, "ours", f'model = "{model}"\ndraft = "off"')
    assert (load("ours").model, load("ours").ignored) == (model, ())


@pytest.mark.parametrize(
    "model",
    [
        '"/etc/x.gguf"',
        '"~/x.gguf"',
        '"./x.gguf"',
        '"models/x.gguf"',
        '"../../x"',
        '"ollama:../../x"',
        '{mlx = "org/ok", "llama.cpp" = "./x.gguf"}',
    ],
)
@pytest.mark.parametrize("key", ["model", "draft"])
def test_a_model_file_does_not_count(
    load: Callable[[str], Profile], project: Path, write: Write, key: str, model: str
) -> None:
    write(project, "ours", f'extends = "coding"\n{key} = {model}')
    ours = load("ours")
    assert (ours.model, ours.draft_model) == ("demo:target", "demo:draft")
    assert ours.ignored == (key,)


def test_a_folder_that_looks_like_a_repository_is_a_path(
    load: Callable[[str], Profile],
    project: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = project.parents[1]
    (root / "org" / "repo").mkdir(parents=True)
    monkeypatch.chdir(root)
    write(project, "ours", 'extends = "chat"\nmodel = "org/repo"')
    assert load("ours").ignored == ("model",)


def test_without_another_model_the_error_says_that_trust_is_missing(
    user: Path, project: Path, write: Write
) -> None:
    write(project, "ours", 'model = "./x.gguf"')
    error = load_profiles(user, project).errors["ours"]
    assert "not trusted" in error.message
    assert "profiles trust" in error.hint


@pytest.mark.parametrize("adapter", ["./lora", "org/lora", "/etc/lora"])
def test_no_adapter_counts(
    load: Callable[[str], Profile], project: Path, write: Write, adapter: str
) -> None:
    write(project, "ours", f'extends = "chat"\nadapter = "{adapter}"')
    assert (load("ours").adapter, load("ours").ignored) == (None, ("adapter",))


def test_files_are_read_within_the_project_only(
    load: Callable[[str], Profile], project: Path, tmp_path: Path, write: Write
) -> None:
    (tmp_path / "secret.json").write_text('{"secret": 1}')
    (project.parents[1] / "form.json").write_text('{"type": "object"}')
    (project / "link.json").symlink_to(tmp_path / "secret.json")
    write(project, "inside", 'extends = "chat"\njson_schema = "../../form.json"')
    write(project, "text", """extends = "chat"\njson_schema = '{"type": "null"}'""")
    inside, text = load("inside").constraint, load("text").constraint
    assert inside is not None
    assert text is not None
    assert (inside.text, text.text) == ('{"type": "object"}', '{"type": "null"}')
    for number, name in enumerate(("../../../secret.json", "link.json", "/etc/hostname")):
        write(project, f"out{number}", f'extends = "chat"\njson_schema = "{name}"')
        assert load(f"out{number}").constraint is None
        assert load(f"out{number}").ignored == ("json_schema",)


def test_permissions_can_be_narrowed_and_not_widened(
    load: Callable[[str], Profile], project: Path, write: Write
) -> None:
    table = '[permissions]\nread = "deny"\nwrite = "allow"\nrun = "deny"'
    write(project, "ours", f'extends = "chat"\n{table}')
    ours = load("ours")
    assert ours.permissions == Permissions(Permission.DENY, Permission.ASK, Permission.DENY)
    assert ours.ignored == ("permissions.write",)


def test_a_users_wide_permissions_are_not_lent_to_a_project(
    load: Callable[[str], Profile], user: Path, project: Path, write: Write
) -> None:
    write(user, "free", 'extends = "chat"\ntools = ["run"]\n[permissions]\nrun = "allow"')
    write(project, "free", 'extends = "free"\nsystem_prompt = "Delete everything."')
    free = load("free")
    assert free.permissions.run is Permission.ASK
    assert free.ignored == ("permissions.run",)
    assert free.tools == ("run",)


def test_tools_can_be_taken_away_and_not_added(
    load: Callable[[str], Profile], user: Path, project: Path, write: Write
) -> None:
    write(user, "mine", 'extends = "chat"\ntools = ["read", "run"]')
    for name, tools, left, ignored in (
        ("fewer", '["read"]', ("read",), ()),
        ("none", "[]", (), ()),
        ("more", '["read", "wipe"]', ("read", "run"), ("tools",)),
    ):
        write(project, name, f'extends = "mine"\ntools = {tools}')
        assert (load(name).tools, load(name).ignored) == (left, ignored)
    write(project, "alone", 'model = "demo:target"\ntools = ["wipe"]')
    assert (load("alone").tools, load("alone").ignored) == (None, ("tools",))


def test_trust_lets_everything_count_until_a_profile_changes(
    user: Path, project: Path, tmp_path: Path, write: Write
) -> None:
    write(project, "ours", 'model = "./x.gguf"\n[permissions]\nrun = "allow"')
    trusted = TrustList(tmp_path / "state" / "trusted.json")
    assert not trusted.is_trusted(project)
    trusted.trust(project)
    ours = load_profiles(user, project, trusted.is_trusted).get("ours")
    assert (ours.model, ours.permissions.run) == (str(project / "x.gguf"), Permission.ALLOW)
    assert ours.ignored == ()
    assert TrustList(tmp_path / "state" / "trusted.json").is_trusted(project)

    write(project, "second", 'model = "demo:target"')
    assert not trusted.is_trusted(project)
    (project / "second.toml").unlink()
    assert trusted.is_trusted(project)
    write(project, "ours", 'model = "./y.gguf"')
    assert not trusted.is_trusted(project)


def test_trust_is_given_to_what_was_seen(project: Path, tmp_path: Path, write: Write) -> None:
    write(project, "ours", 'model = "demo:target"')
    trusted, seen = TrustList(tmp_path / "trusted.json"), profile_texts(project)
    write(project, "ours", 'model = "./evil.gguf"')
    trusted.trust(project, seen)
    assert not trusted.is_trusted(project)
    write(project, "ours", 'model = "demo:target"')
    assert trusted.is_trusted(project)


def test_trust_belongs_to_the_real_path_and_can_be_taken_back(
    project: Path, tmp_path: Path, write: Write
) -> None:
    write(project, "ours", 'model = "demo:target"')
    trusted = TrustList(tmp_path / "trusted.json")
    link = tmp_path / "link"
    link.symlink_to(project)
    trusted.trust(link)
    assert trusted.is_trusted(project)
    assert json.loads((tmp_path / "trusted.json").read_text()).keys() == {str(project.resolve())}
    assert (tmp_path / "trusted.json").stat().st_mode & 0o777 == 0o600
    assert trusted.forget(project)
    assert not trusted.forget(project)
    assert not trusted.is_trusted(link)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "null"])
def test_a_damaged_list_vouches_for_nothing(project: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "trusted.json"
    file.write_text(text)
    assert not TrustList(file).is_trusted(project)
    TrustList(file).trust(project)
    assert TrustList(file).is_trusted(project)


def test_a_list_that_cannot_be_kept_is_told(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrustError, match="cannot be saved"):
        TrustList(tmp_path / "file" / "trusted.json").trust(project)
