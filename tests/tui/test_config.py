from __future__ import annotations

from pathlib import Path

import pytest

from profiles.loader import load_profiles
from tui.config import ConfigError, read_config, set_config, start_profile

CATALOG = load_profiles()


def test_a_setting_is_changed_and_everything_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "config" / "config.toml"
    set_config(file, "start_profile", "coding")
    assert read_config(file) == {"start_profile": "coding"}
    file.write_text('# mine\nstart_profile = "chat" # for now\n\n[keys]\nquit = "f10"\n')
    set_config(file, "start_profile", "coding")
    assert file.read_text() == (
        '# mine\nstart_profile = "coding" # for now\n\n[keys]\nquit = "f10"\n'
    )
    assert start_profile(file, CATALOG) == ("coding", [])


def test_no_file_is_no_choice(tmp_path: Path) -> None:
    assert start_profile(tmp_path / "config.toml", CATALOG) == (None, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('start_profile = "gone"', "'gone', and no such profile works"),
        ("start_profile = 3", "3, and no such profile works"),
        ("start_profile = [1]", "[1], and no such profile works"),
        ("start_profile = ", "cannot be used"),
    ],
)
def test_a_choice_that_does_not_work_is_told_and_keeps_nobody_out(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    name, [notice] = start_profile(file, CATALOG)
    assert name is None
    assert words in notice


def test_a_file_that_is_no_toml_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("start_profile = ")
    with pytest.raises(ConfigError):
        set_config(file, "start_profile", "chat")
    assert file.read_text() == "start_profile = "
