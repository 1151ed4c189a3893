"""Models that Ollama holds: manifests that name layers, and layers in blobs by their checksum.

    manifests/registry.ollama.ai/library/qwen3/8b      JSON with `layers`
    blobs/sha256-0123…                                 a GGUF file

Source: `manifest` and `server` in Ollama's repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engines.errors import ModelLoadError, ModelNotFound
from engines.model_files.finding.folder_models import broken_model
from engines.model_files.finding.found_model import FoundModel, Source
from engines.model_files.finding.gguf_description import (
    NotAModel,
    describe_gguf,
    parameters_from_name,
)
from engines.model_files.finding.stored_files import read_json_object

PREFIX = "ollama:"
_LAYER = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_PART = re.compile(r"[A-Za-z0-9_][\w.-]*")
_OWN_REGISTRY = "registry.ollama.ai"
_OWN_NAMESPACE = "library"
_MAX_MANIFESTS = 10_000


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """What one manifest says; paths of layers that may be missing.

    Args:
        name: As Ollama shows it: `qwen3:8b`, `user/model:tag`, `hf.co/org/repo:tag`.
    """

    name: str
    manifest: Path
    models: tuple[Path, ...]
    projectors: tuple[Path, ...]
    adapters: tuple[Path, ...]
    is_split_in_tensors: bool
    config: Path | None


def find_in_ollama(root: Path) -> Iterator[FoundModel]:
    for manifest in _manifests(root):
        model = read_manifest(root, manifest)
        if model is not None and (found := _describe(model)) is not None:
            yield found


def locate_in_ollama(roots: Sequence[Path], name: str) -> Path:
    """The GGUF blob of `name`: `qwen3`, `qwen3:8b`, `user/model:tag`.

    Raises:
        ModelNotFound: Ollama does not hold it; the hint says how to get it.
        ModelLoadError: its weights are not one GGUF file.
    """
    place, _, tag = name.partition(":")
    parts = place.split("/")
    if not all(_PART.fullmatch(part) for part in [*parts, tag or "latest"]):
        raise ModelNotFound(f"{name[:120]} is no name of an Ollama model.", "Use NAME:TAG.")
    parts = [_OWN_REGISTRY, _OWN_NAMESPACE][: max(0, 3 - len(parts))] + parts
    tags: list[str] = []
    for root in roots:
        folder = root.joinpath("manifests", *parts)
        tags += sorted(child.name for child in folder.iterdir()) if folder.is_dir() else []
        if (folder / (tag or "latest")).is_file():
            return _blob_to_run(root, folder / (tag or "latest"), name)
        if not tag and len(tags) == 1:
            return _blob_to_run(root, folder / tags[0], name)
    known = " or ".join(f"{PREFIX}{place}:{known}" for known in tags[:5])
    raise ModelNotFound(
        f"Ollama has no model {name} on this machine.",
        f"Did you mean {known}?" if known else f"Get it with: ollama pull {name}",
    )


def _blob_to_run(root: Path, manifest: Path, name: str) -> Path:
    model = read_manifest(root, manifest)
    if model is None or not model.models:
        raise ModelLoadError(
            f"What Ollama holds as {name} is not one GGUF file.",
            "Choose another tag, or pull a GGUF version: llm-tui models pull REPO:QUANT",
        )
    if not model.models[0].is_file():
        raise ModelNotFound(
            f"Ollama's blob of {name} is missing.", f"Get it again with: ollama pull {name}"
        )
    return model.models[0]


def read_manifest(root: Path, manifest: Path) -> OllamaModel | None:
    """The model of a manifest; None where the file is none."""
    layers = read_json_object(manifest).get("layers")
    if not isinstance(layers, list):
        return None
    known = [layer for layer in layers if isinstance(layer, dict)]

    def blobs(kind: str) -> tuple[Path, ...]:
        found = (_blob(root, item) for item in known if item.get("mediaType") == _LAYER + kind)
        return tuple(path for path in found if path is not None)

    config = read_json_object(manifest).get("config")
    return OllamaModel(
        name=_name(manifest.relative_to(root / "manifests").parts),
        manifest=manifest,
        models=blobs("model"),
        projectors=blobs("projector"),
        adapters=blobs("adapter"),
        is_split_in_tensors=any(item.get("mediaType") == _LAYER + "tensor" for item in known),
        config=_blob(root, config) if isinstance(config, dict) else None,
    )


def _describe(model: OllamaModel) -> FoundModel | None:
    reference = PREFIX + model.name.removesuffix(":latest")
    if not model.models:
        if not model.is_split_in_tensors:
            return None  # runs elsewhere: a cloud model has no weights here
        problem = "Ollama keeps it tensor by tensor, which no engine here reads."
        return broken_model((model.manifest,), Source.OLLAMA, reference, model.name, problem)
    config = read_json_object(model.config) if model.config else {}
    try:
        found = describe_gguf(
            model.models,
            Source.OLLAMA,
            reference,
            model.name,
            label=str(config.get("file_type") or "unknown"),
            projectors=model.projectors,
            adapters=model.adapters,
        )
    except NotAModel:
        return None
    except (ModelLoadError, ModelNotFound) as error:
        missing = isinstance(error, ModelNotFound)
        problem = (
            f"Its blob is missing; run: ollama pull {model.name}" if missing else error.message
        )
        return broken_model(model.models, Source.OLLAMA, reference, model.name, problem)
    size = parameters_from_name(str(config.get("model_type") or model.name))
    return replace(found, parameters=found.parameters or size)


def _manifests(root: Path) -> list[Path]:
    """Regular files under `manifests/HOST/NAMESPACE/MODEL/TAG`."""
    found: list[Path] = []
    for folder, _, names in os.walk(root / "manifests"):
        found += [Path(folder, name) for name in names if not name.startswith(".")]
        if len(found) > _MAX_MANIFESTS:
            break
    return sorted(path for path in found if len(path.relative_to(root / "manifests").parts) >= 3)


def _name(parts: tuple[str, ...]) -> str:
    *place, model, tag = parts
    if place[0] == _OWN_REGISTRY:
        place = place[1:]
    if place == [_OWN_NAMESPACE]:
        place = []
    return "/".join([*place, model]) + f":{tag}"


def _blob(root: Path, layer: dict[str, Any]) -> Path | None:
    """The layer's file; None for a digest that is none, and so could be any path."""
    match = _DIGEST.fullmatch(str(layer.get("digest")))
    return root / "blobs" / f"sha256-{match[1]}" if match else None
