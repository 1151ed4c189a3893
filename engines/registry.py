"""Which engines there are, and why one is unavailable here."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path

from engines.base import Engine
from engines.errors import EngineUnavailable
from engines.types import LoadRequest


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """An engine this program knows.

    Args:
        module: Where its class lies; imported only when the engine is created.
        library: The library it runs on, or an empty string.
        mend: The command that installs the library.
        keeps_caches: True where its KV caches can outlive the process.
    """

    module: str
    class_name: str
    library: str = ""
    mend: str = ""
    keeps_caches: bool = False


ENGINES: dict[str, EngineEntry] = {
    "mlx": EngineEntry("engines.mlx.engine", "MLXEngine", "mlx_lm", "pip install mlx-lm", True),
    "llama.cpp": EngineEntry(
        "engines.llama_cpp.engine",
        "LlamaCppEngine",
        "llama_cpp",
        "pip install 'llm-tui[llama-cpp]'",
        keeps_caches=True,
    ),
    "scripted": EngineEntry("engines.scripted", "ScriptedEngine"),
}


def why_unavailable(name: str) -> EngineUnavailable | None:
    """None where the engine can be created here; otherwise the error that says why not.

    Looks at what is installed without importing it.
    """
    entry = ENGINES.get(name)
    if entry is None:
        known = ", ".join(ENGINES)
        return EngineUnavailable(f"There is no engine called {name}.", f"Choose one of: {known}.")
    if name == "mlx" and platform.system() == "Darwin" and platform.machine() != "arm64":
        return EngineUnavailable(
            "MLX needs an Apple Silicon Mac and an arm64 Python.",
            "Use the llama.cpp engine, or install an arm64 Python.",
        )
    if entry.library and importlib.util.find_spec(entry.library) is None:
        return EngineUnavailable(
            f"The {name} engine is not installed.", f"Install it with: {entry.mend}"
        )
    return None


def create_engine(name: str, kv_folder: Path | None = None) -> Engine:
    """A new, empty engine.

    Args:
        kv_folder: Where KV caches outlive the process; None lets them end with it.

    Raises:
        EngineUnavailable: the library is missing or does not import here.
    """
    if (reason := why_unavailable(name)) is not None:
        raise reason
    entry = ENGINES[name]
    try:
        module = importlib.import_module(entry.module)
    except (ImportError, OSError) as error:
        raise EngineUnavailable(
            f"The {name} engine does not start here: {error}", f"Reinstall it with: {entry.mend}"
        ) from error
    create = getattr(module, entry.class_name)
    engine: Engine = create(kv_folder=kv_folder) if entry.keeps_caches else create()
    return engine


def create_for(request: LoadRequest, kv_folder: Path | None = None) -> Engine:
    return create_engine(request.engine, kv_folder)
