"""`llm-tui profiles set|unset|use|new|edit|path|schema`."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tui.paths import app_paths

Run = Callable[..., Result]


@pytest.fixture
def folder(home: Path) -> Path:
    folder = app_paths().profiles
    folder.mkdir(parents=True)
    return folder


def test_setting_a_key_of_a_built_in_profile_extends_it(run: Run, home: Path) -> None:
    result = run("profiles", "set", "coding", "sampling.temperature", "0.25")
    path = app_paths().profiles / "coding.toml"
    assert (result.exit_code, result.stdout) == (0, f"{path}\n")
    assert tomllib.loads(path.read_text()) == {
        "extends": "coding",
        "sampling": {"temperature": 0.25},
    }
    shown = json.loads(run("profiles", "show", "coding", "--json").stdout)
    assert shown["sampling"]["temperature"] == 0.25
    assert (shown["draft_model"], shown["layer"]) == ("demo:draft", "user")
    assert run("profiles", "unset", "coding", "sampling.temperature").exit_code == 0
    shown = json.loads(run("profiles", "show", "coding", "--json").stdout)
    assert shown["sampling"]["temperature"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nope", "title", "x"), "no profile called nope"),
        (("coding", "titel", "x"), "Did you mean title?"),
        (("coding", "sampling.top_p", "high"), "from 0 to 1"),
        (("coding", "grammar", "no.gbnf"), "no such file"),
    ],
)
def test_what_cannot_be_set_is_told_and_makes_no_file(
    run: Run, home: Path, words: tuple[str, ...], told: str
) -> None:
    result = run("profiles", "set", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert not app_paths().profiles.exists()


def test_a_broken_profile_can_be_mended(run: Run, folder: Path) -> None:
    (folder / "mine.toml").write_text('model = "demo:target"\nkv_type = "q3" # hm\n')
    assert run("profiles", "check", "mine").exit_code == 1
    assert run("profiles", "set", "mine", "kv_type", "q8_0").exit_code == 0
    assert "# hm" in (folder / "mine.toml").read_text()


def test_unsetting_what_is_not_there_is_an_error(run: Run, folder: Path) -> None:
    assert "built in" in run("profiles", "unset", "chat", "title").stderr
    (folder / "mine.toml").write_text('model = "demo:target"\n')
    result = run("profiles", "unset", "mine", "title")
    assert result.exit_code == 1
    assert "has no title" in result.stderr


def test_the_profile_to_start_with(run: Run, home: Path) -> None:
    config = app_paths().config_file
    config.parent.mkdir(parents=True)
    config.write_text("# mine\nmodel_folders = []  # none\n")
    assert run("profiles", "use", "coding").exit_code == 0
    assert config.read_text().startswith("# mine\nmodel_folders = []  # none\n")
    events = run("ask", "--json", "--engine", "llama.cpp", "--max-tokens", "1", "Hi").stdout
    assert json.loads(events.splitlines()[-1])["event"] == "finished"
    assert run("profiles", "use", "nope").exit_code == 1
    value = json.loads(run("profiles", "use", "coding", "--json").stdout)
    assert value == {"start_profile": "coding", "file": str(config)}
    assert tomllib.loads(config.read_text())["start_profile"] == "coding"


def test_a_new_profile_extends_another(run: Run, home: Path) -> None:
    result = run("profiles", "new", "fast", "--from", "coding")
    path = Path(result.stdout.strip())
    assert path == app_paths().profiles / "fast.toml"
    assert tomllib.loads(path.read_text()) == {"extends": "coding"}
    listed = {item["name"]: item for item in json.loads(run("profiles", "list", "--json").stdout)}
    assert listed["fast"]["draft_model"] == "demo:draft"
    assert "is there already" in run("profiles", "new", "fast").stderr
    assert "no profile called nope" in run("profiles", "new", "other", "--from", "nope").stderr


def editor(tmp_path: Path, code: str) -> str:
    script = tmp_path / "editor.py"
    script.write_text(f"import sys\nfrom pathlib import Path\npath = Path(sys.argv[-1])\n{code}\n")
    return f"{sys.executable} {script} --wait"


def test_the_editor_gets_the_file_which_is_then_checked(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "")
    monkeypatch.setenv("EDITOR", editor(tmp_path, "path.write_text(path.read_text() + 'x = 1')"))
    result = run("profiles", "edit", "chat")
    assert result.exit_code == 1
    assert f"{app_paths().profiles / 'chat.toml'}:3:1: x: is not a known key" in result.stderr
    monkeypatch.setenv("VISUAL", editor(tmp_path, "path.write_text('extends = \"chat\"')"))
    result = run("profiles", "edit", "chat")
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_editor_that_fails_is_told_with_the_file(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command, words in (
        (editor(tmp_path, "sys.exit(3)"), "ended with 3"),
        ("/no/such/editor", "does not start"),
        ("'", "cannot be used"),
    ):
        monkeypatch.setenv("VISUAL", command)
        result = run("profiles", "edit", "chat")
        assert result.exit_code == 1
        assert words in result.stderr


def test_where_a_profile_lies(run: Run, folder: Path) -> None:
    (folder / "mine.toml").write_text("model = 3")
    assert run("profiles", "path", "mine").stdout.strip() == str(folder / "mine.toml")
    assert Path(run("profiles", "path", "chat").stdout.strip()).is_file()


def test_the_schema_is_printed(run: Run) -> None:
    result = run("profiles", "schema")
    assert result.stdout == Path("docs/profile.schema.json").read_text()


def test_json_says_where_each_error_stands(run: Run, folder: Path) -> None:
    (folder / "mine.toml").write_text('model = "x"\n[sampling]\ntop_p = 2\nseeed = 1\n')
    for command in (("list",), ("check", "mine")):
        listed = json.loads(run("profiles", *command, "--json").stdout)
        (mine,) = [item for item in listed if item["name"] == "mine"]
        places = [(e["line"], e["column"], e["key"]) for e in mine["errors"]]
        assert places == [(3, 1, "sampling.top_p"), (4, 1, "sampling.seeed")]
