"""The place on disk of one loaded model's KV caches."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from engines.kv.disk import DiskParking
from engines.kv.model_identity import model_identity
from engines.model_files.adapters import locate_adapter
from engines.model_files.locate import locate_model
from engines.types import LoadRequest, ModelInfo


def shelf_for(
    folder: Path | None, request: LoadRequest, info: ModelInfo, libraries: tuple[str, ...]
) -> DiskParking | None:
    """Where the caches of the loaded model lie; None where none are to be kept.

    Args:
        folder: Of all caches; None keeps none.
        libraries: The packages whose releases decide what the bytes mean.
    """
    return _shelf(folder, request, info, libraries, request.model)


def draft_shelf_for(
    folder: Path | None, request: LoadRequest, info: ModelInfo, libraries: tuple[str, ...]
) -> DiskParking | None:
    """The same for the draft model that the request names."""
    if request.draft_model is None or info.draft_name is None:
        return None
    return _shelf(folder, request, info, libraries, request.draft_model, "draft for ")


def _shelf(
    folder: Path | None,
    request: LoadRequest,
    info: ModelInfo,
    libraries: tuple[str, ...],
    model: str,
    role: str = "",
) -> DiskParking | None:
    if folder is None:
        return None
    identity = {
        "engine": info.engine,
        "library": ", ".join(f"{name} {_version(name)}" for name in libraries),
        "model": model_identity(locate_model(model, info.engine)),
        "tokenizer": info.tokenizer_fingerprint,
        "kv_type": info.kv_type,
    }
    place = f"{info.engine}\0{role}{request.model}\0{model}\0{request.kv_type}"
    if request.adapter is not None and not role:
        identity["adapter"] = model_identity(locate_adapter(request.adapter, info.engine))
        place += f"\0{request.adapter}"
    return DiskParking(folder, identity, place)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
