"""mlx_lm without its side effects: no slow imports, no lowered file limit, nothing on stderr."""

from __future__ import annotations

import importlib
import importlib.util
import os
import resource
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def import_mlx_lm(module: str) -> Any:
    """The module `mlx_lm.<module>`.

    `import mlx_lm` itself reads transformers and takes a second; models and caches do not need it,
    so a bare package stands in for it and only what is asked for is imported.

    Raises:
        ImportError: mlx_lm is not installed, or has no such module.
    """
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if "mlx_lm" not in sys.modules:
        sys.modules["mlx_lm"] = _bare_package("mlx_lm")
    with _file_limit_kept():
        return importlib.import_module(f"mlx_lm.{module}")


def _bare_package(name: str) -> types.ModuleType:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{name} is not installed")
    package = types.ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    return package


@contextmanager
def _file_limit_kept() -> Iterator[None]:
    """mlx_lm.utils lowers the hard limit of open files for the whole process, for good."""
    set_limit = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        yield
    finally:
        resource.setrlimit = set_limit
