from __future__ import annotations

from pathlib import Path

import pytest

from coding.errors import CodingError, PermissionDenied
from coding.workspace import Workspace


def test_a_new_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = Workspace(tmp_path).save_new("src/add.py", "x = 1\n")
    assert path == tmp_path / "src" / "add.py"
    assert path.read_text() == "x = 1\n"


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("mine")
    (tmp_path / "a-2.py").symlink_to(tmp_path / "nowhere")
    path = Workspace(tmp_path).save_new("a.py", "theirs")
    assert path == tmp_path / "a-3.py"
    assert path.read_text() == "theirs"
    assert (tmp_path / "a.py").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["../a.py", "/etc/a.py", "x/../../a.py", ".", "~/a.py"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(PermissionDenied):
        Workspace(root).save_new(name, "x")
    assert list(tmp_path.iterdir()) == [root]


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(PermissionDenied):
        Workspace(root).save_new("link/a.py", "x")


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CodingError, match="cannot be written"):
        Workspace(tmp_path).save_new("file/a.py", "x")
