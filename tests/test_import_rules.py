"""Which libraries importing a package loads: the import-linter contracts, seen at run time."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENGINE_LIBRARIES = {"mlx", "mlx_lm", "transformers", "llama_cpp"}
SCREEN_LIBRARIES = {"textual", "rich", "prompt_toolkit"}


def loaded_by(module: str) -> set[str]:
    """Top-level names in `sys.modules` after importing `module` in a fresh interpreter."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "engines",
        "engines.registry",
        "engines.pool",
        "engines.scripted",
        "engines.hardware",
        "engines.fit",
        "profiles.recommend",
        "profiles.resolve",
        "conversation.session",
        "conversation.store",
        "documents.reading",
    ],
)
def test_the_core_loads_neither_an_engine_library_nor_a_screen_library(module: str) -> None:
    assert not loaded_by(module) & (ENGINE_LIBRARIES | SCREEN_LIBRARIES)


def test_the_command_line_loads_no_screen_library() -> None:
    assert not loaded_by("tui.cli") & (ENGINE_LIBRARIES | SCREEN_LIBRARIES)


def test_the_app_loads_no_engine_library_and_nothing_slow_before_its_first_paint() -> None:
    slow = {"markdown_it", "pygments", "jinja2", "tiktoken", "psutil", "numpy"}
    assert not loaded_by("tui.app") & (ENGINE_LIBRARIES | slow)
