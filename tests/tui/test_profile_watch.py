from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui.profile_watch import ProfileWatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "a.toml").write_text("a = 1")
    return folder


def test_a_change_is_told_once_when_it_has_settled(folder: Path) -> None:
    watch = ProfileWatch([folder])
    assert not watch.has_changed()
    (folder / "a.toml").write_text("a = 22")
    assert not watch.has_changed()
    (folder / "a.toml").write_text("a = 333")
    assert not watch.has_changed()
    assert watch.has_changed()
    assert not watch.has_changed()


def test_files_that_come_and_go_are_changes(folder: Path, tmp_path: Path) -> None:
    single = tmp_path / "trusted.json"
    watch = ProfileWatch([folder, tmp_path / "later", single])
    (folder / "b.toml").write_text("")
    assert [watch.has_changed(), watch.has_changed()] == [False, True]
    (folder / "b.toml").unlink()
    assert [watch.has_changed(), watch.has_changed()] == [False, True]
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "c.toml").write_text("")
    assert [watch.has_changed(), watch.has_changed()] == [False, True]
    single.write_text("{}")
    assert [watch.has_changed(), watch.has_changed()] == [False, True]


def test_an_equally_long_text_in_its_place_is_a_change(folder: Path, tmp_path: Path) -> None:
    watch = ProfileWatch([folder])
    before = (folder / "a.toml").stat()
    (tmp_path / "new").write_text("a = 2")
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "new").replace(folder / "a.toml")
    assert [watch.has_changed(), watch.has_changed()] == [False, True]


def test_a_change_that_is_taken_back_is_none(folder: Path) -> None:
    watch = ProfileWatch([folder])
    (folder / "b.toml").write_text("")
    assert not watch.has_changed()
    (folder / "b.toml").unlink()
    assert not watch.has_changed()
    assert not watch.has_changed()
    (folder / "b.toml").write_text("")
    watch.take_in()
    assert not watch.has_changed()
    assert not watch.has_changed()


def test_a_dangling_link_disturbs_nobody(folder: Path) -> None:
    (folder / "gone.toml").symlink_to(folder / "nowhere")
    watch = ProfileWatch([folder])
    (folder / "b.toml").write_text("")
    assert [watch.has_changed(), watch.has_changed()] == [False, True]
