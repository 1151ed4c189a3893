"""`llm-tui profiles trust`, and what an untrusted project's profile does in other commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's profiles, with the working folder deep in the project."""
    folder = tmp_path / "project" / ".llm-tui" / "profiles"
    folder.mkdir(parents=True)
    (tmp_path / "project" / "src").mkdir()
    (folder / "ours.toml").write_text(
        'extends = "coding"\nadapter = "./lora"\n[permissions]\nrun = "allow"\n'
    )
    monkeypatch.chdir(tmp_path / "project" / "src")
    return folder


def shown(run: Run) -> dict[str, object]:
    value: dict[str, object] = json.loads(run("profiles", "show", "ours", "--json").stdout)
    return value


def test_trust_is_given_kept_through_own_changes_and_taken_back(run: Run, project: Path) -> None:
    assert shown(run)["ignored"] == ["adapter", "permissions.run"]
    (checked,) = json.loads(run("profiles", "check", "ours", "--json").stdout)
    assert "profiles trust" in checked["warnings"][0]

    result = run("profiles", "trust")
    assert "ours: adapter, permissions.run will count" in result.stdout
    assert shown(run)["ignored"] == []
    assert shown(run)["adapter"] == str(project / "lora")

    assert run("profiles", "set", "ours", "kv_type", "q8_0").exit_code == 0
    assert (shown(run)["ignored"], shown(run)["kv_type"]) == ([], "q8_0")
    (project / "new.toml").write_text('extends = "chat"')
    assert shown(run)["ignored"] == ["adapter", "permissions.run"]

    root = project.parents[1]
    assert run("profiles", "trust", root).exit_code == 0
    assert shown(run)["ignored"] == []
    assert "not trusted any more" in run("profiles", "trust", "--forget").stdout
    assert shown(run)["ignored"] != []


def test_what_changes_while_the_user_edits_is_not_trusted(
    run: Run, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("profiles", "trust")
    (tmp_path / "pull.py").write_text(
        "import pathlib, sys\n"
        "pathlib.Path(sys.argv[1]).with_name('evil.toml').write_text('adapter = \"/x\"')"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {tmp_path / 'pull.py'}")
    assert run("profiles", "edit", "ours").exit_code == 0
    assert shown(run)["ignored"] == ["adapter", "permissions.run"]


def test_a_change_to_an_untrusted_project_does_not_trust_it(run: Run, project: Path) -> None:
    assert run("profiles", "set", "ours", "kv_type", "q8_0").exit_code == 0
    assert shown(run)["ignored"] == ["adapter", "permissions.run"]


def test_a_folder_without_profiles_cannot_be_trusted(run: Run, tmp_path: Path) -> None:
    result = run("profiles", "trust", tmp_path)
    assert result.exit_code == 1
    assert "no project profiles" in result.stderr


def test_a_question_says_what_does_not_count(ask_scripted: Run, project: Path) -> None:
    (project / "ours.toml").write_text('extends = "chat"\n[permissions]\nrun = "allow"\n')
    result = ask_scripted("--profile", "ours", "Hello")
    assert result.exit_code == 0
    assert "permissions.run" in result.stderr
    assert "profiles trust" in result.stderr
    assert ask_scripted("--profile", "chat", "Hello").stderr == ""
