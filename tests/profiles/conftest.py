from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """The user's profiles."""
    folder = tmp_path / "config" / "profiles"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The profiles of a project."""
    folder = tmp_path / "project" / ".llm-tui" / "profiles"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def write() -> Write:
    def write_profile(folder: Path, name: str, text: str) -> Path:
        path = folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_profile
