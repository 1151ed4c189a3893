from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tui.paths import app_paths

Run = Callable[..., Result]


@pytest.fixture
def profile_folder(home: Path) -> Path:
    folder = app_paths().profiles
    folder.mkdir(parents=True)
    return folder


def test_the_built_in_profiles_work(run: Run) -> None:
    result = run("profiles", "check")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [[name, "works"] for name in ("chat", "coding", "reasoning", "long-doc")]


def test_list_names_the_engine_that_runs_here(run: Run) -> None:
    listed = {item["name"]: item for item in json.loads(run("profiles", "list", "--json").stdout)}
    assert listed["chat"]["engine_here"] == "mlx"
    assert listed["coding"]["draft_model"] == "demo:draft"
    table = run("profiles", "list").stdout.splitlines()
    assert table[0].split() == ["NAME", "ENGINE", "MODEL", "DRAFT", "FROM", "FOR"]
    assert table[2].split()[:4] == ["coding", "llama.cpp", "demo:target", "demo:draft"]


def test_show_prints_every_setting(run: Run) -> None:
    value = json.loads(run("profiles", "show", "chat", "--json").stdout)
    assert value["sampling"]["top_k"] == 20
    lines = dict(
        line.split(None, 1) for line in run("profiles", "show", "chat").stdout.splitlines()
    )
    assert lines["sampling.top_k"] == "20"
    assert lines["draft_model"] == "—"


def test_a_broken_profile_is_told_with_its_file_and_key(run: Run, profile_folder: Path) -> None:
    (profile_folder / "big.toml").write_text('model = "/no/model.gguf"\n')
    (profile_folder / "typo.toml").write_text('model = "demo:target"\nengin = "mlx"\n')
    result = run("profiles", "check")
    assert result.exit_code == 1
    lines = [line for line in result.stdout.splitlines() if "broken" in line]
    assert f"{profile_folder / 'big.toml'}:1:1: model: There is no model" in lines[0]
    assert f"{profile_folder / 'typo.toml'}:2:1: engin: is not a known key" in lines[1]


def test_one_profile_can_be_checked_alone(run: Run, profile_folder: Path) -> None:
    (profile_folder / "big.toml").write_text('model = "/no/model.gguf"\n')
    assert run("profiles", "check", "chat").exit_code == 0
    result = run("profiles", "check", "chat", "big", "--json")
    assert result.exit_code == 1
    works, broken = json.loads(result.stdout)
    assert works == {"name": "chat", "works": True}
    assert (broken["errors"][0]["key"], broken["works"]) == ("model", False)


def test_an_unknown_profile_is_told(run: Run) -> None:
    for command in ("show", "check"):
        result = run("profiles", command, "nope")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "nope" in result.stderr


def test_a_lossy_kv_cache_works_with_a_warning(run: Run, profile_folder: Path) -> None:
    (profile_folder / "small.toml").write_text('model = "demo:target"\nkv_type = "q4_0"\n')
    result = run("profiles", "check", "small")
    assert result.exit_code == 0
    assert "works" in result.stdout
    assert "warning: kv_type q4_0 is slow" in result.stdout
    (small,) = json.loads(run("profiles", "check", "small", "--json").stdout)
    assert "long context" in small["warnings"][0]
