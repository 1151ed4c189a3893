"""LoRA adapters on disk: a folder of MLX's, a GGUF file of llama.cpp's, or a folder with both."""

from __future__ import annotations

from pathlib import Path

from engines.errors import ModelLoadError, ModelNotFound
from engines.model_files.finding.hugging_face import newest_snapshot, repository_folder
from engines.model_files.finding.places import user_places
from engines.model_files.reference import ModelReference, ReferenceKind, expanded

WEIGHTS_FILE = "adapters.safetensors"
SETTINGS_FILE = "adapter_config.json"
GGUF_FILE = "adapter.gguf"


def locate_adapter(adapter: str, engine: str) -> Path:
    """The folder (for `mlx`) or GGUF file (for `llama.cpp`) of an adapter.

    Args:
        adapter: A path, where `~` is expanded, or a repository in the Hugging Face cache.

    Raises:
        ModelNotFound: there is nothing at that path.
        ModelLoadError: what is there is not in the engine's form.
    """
    path = _downloaded(adapter) or expanded(adapter)
    if not path.exists():
        raise ModelNotFound(
            f"There is no adapter at {adapter}.",
            "Give an adapter's folder or GGUF file, or train one: llm-tui models train.",
        )
    if engine == "llama.cpp":
        file = _gguf_in(path) if path.is_dir() else path
        if file is not None:
            return file
        raise ModelLoadError(
            f"The adapter {path.name} has no GGUF file, which llama.cpp needs.",
            "Use it with the MLX engine, or convert it to GGUF.",
        )
    if path.is_dir() and (path / WEIGHTS_FILE).is_file() and (path / SETTINGS_FILE).is_file():
        return path
    raise ModelLoadError(
        f"The adapter {path.name} is not a folder with {WEIGHTS_FILE} and {SETTINGS_FILE}, which"
        " MLX needs.",
        "Use it with the llama.cpp engine, or train one: llm-tui models train.",
    )


def _gguf_in(folder: Path) -> Path | None:
    if (folder / GGUF_FILE).is_file():
        return folder / GGUF_FILE
    files = sorted(folder.glob("*.gguf"))
    return files[0] if len(files) == 1 else None


def _downloaded(adapter: str) -> Path | None:
    reference = ModelReference.parse(adapter)
    if reference.kind is not ReferenceKind.REPOSITORY:
        return None
    caches = user_places().hugging_face
    snapshots = (newest_snapshot(repository_folder(cache, reference.name)) for cache in caches)
    return next((snapshot for snapshot in snapshots if snapshot is not None), None)
