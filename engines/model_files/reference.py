"""The ways to name a model, and the file or folder that is meant.

demo:target            an embedded model
~/models/x.gguf        a GGUF file or a model folder
Qwen/Qwen3-8B          a Hugging Face repository that was downloaded
org/Repo-GGUF:Q4_K_M   one quantization of it
ollama:qwen3:8b        what Ollama holds
lmstudio:org/repo      what LM Studio holds
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engines.demo import DEMO_MODELS, demo_model_path
from engines.errors import EngineError, ModelLoadError, ModelNotFound
from engines.model_files.finding.folder_description import is_model_folder
from engines.model_files.finding.found_model import FoundModel, ModelFormat
from engines.model_files.finding.gguf_files import group_gguf_files, model_stem, walk_folders
from engines.model_files.finding.hugging_face import newest_snapshot, repository_folders
from engines.model_files.finding.hugging_face import repository_name as name_of_repository
from engines.model_files.finding.lm_studio import PREFIX as LM_STUDIO_PREFIX
from engines.model_files.finding.lm_studio import find_in_lm_studio
from engines.model_files.finding.ollama import PREFIX as OLLAMA_PREFIX
from engines.model_files.finding.ollama import locate_in_ollama
from engines.model_files.finding.places import ModelPlaces, user_places
from engines.model_files.finding.quantization_label import (
    PREFERRED_QUANTIZATIONS,
    quantization_label,
)
from engines.model_files.finding.search import find_models

RANDOM_PREFIX = "random:"
_REPOSITORY = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([\w.-]+))?")

_LONGEST_NAME = 200
_ADDRESS = re.compile(r"https?://[^/]+/([\w.-]+/[\w.-]+)(?:/.*|:([\w.-]+))?$")
"""A repository's or file's page, as it is copied from a browser."""


class ReferenceKind(StrEnum):
    EMBEDDED = "embedded"
    RANDOM = "random"
    PATH = "path"
    REPOSITORY = "repository"
    OLLAMA = "ollama"
    LM_STUDIO = "lmstudio"


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model as a user names it.

    Args:
        name: The path, the repository, or what stands after the prefix.
        quantization: What stands after a repository's colon.
    """

    kind: ReferenceKind
    name: str
    quantization: str = ""

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """What `text` means; a file or folder that is there goes before a repository."""
        for prefix, kind in _PREFIXES.items():
            if text.startswith(prefix):
                return cls(kind, text.removeprefix(prefix))
        if text in DEMO_MODELS:
            return cls(ReferenceKind.EMBEDDED, text)
        is_file_name = text.lower().endswith((".gguf", ".safetensors"))
        if address := _ADDRESS.match(text):
            named = quantization_label(text) if is_file_name else address[2] or ""
            return cls(ReferenceKind.REPOSITORY, address[1], named)
        match = _REPOSITORY.fullmatch(text)
        if match is None or len(text) > _LONGEST_NAME or is_file_name or _exists(Path(text)):
            return cls(ReferenceKind.PATH, text)
        return cls(ReferenceKind.REPOSITORY, match[1], match[2] or "")

    def __str__(self) -> str:
        prefix = next((prefix for prefix, kind in _PREFIXES.items() if kind is self.kind), "")
        return f"{prefix}{self.name}" + (f":{self.quantization}" if self.quantization else "")


_PREFIXES = {
    OLLAMA_PREFIX: ReferenceKind.OLLAMA,
    LM_STUDIO_PREFIX: ReferenceKind.LM_STUDIO,
    RANDOM_PREFIX: ReferenceKind.RANDOM,
}


def resolve(reference: ModelReference, engine: str = "", places: ModelPlaces | None = None) -> Path:
    """The GGUF file or model folder that `reference` means on this machine.

    Args:
        engine: Which of several forms to take: the GGUF file for `llama.cpp`, the folder for
            `mlx`; without it, the folder.

    Raises:
        ModelNotFound: it is not here; the hint says how to get it, or what is.
        ModelLoadError: it is here in a form that `engine` does not run.
    """
    if reference.kind is ReferenceKind.EMBEDDED:
        path = demo_model_path(reference.name)
        assert path is not None
        return path
    if reference.kind is ReferenceKind.RANDOM:
        raise ModelNotFound(
            f"{reference} is a model of random weights.", "Measure it with llm-tui bench."
        )
    places = places or user_places()
    match reference.kind:
        case ReferenceKind.OLLAMA:
            return locate_in_ollama(places.ollama, reference.name)
        case ReferenceKind.LM_STUDIO:
            return _in_lm_studio(reference, engine, places)
        case ReferenceKind.REPOSITORY:
            return _in_repository(reference, engine, places)
        case _:
            return _at_path(reference, engine, places)


def engines_for(model: str, places: ModelPlaces | None = None) -> tuple[str, ...]:
    """Engines to run `model` on, the best first: a GGUF file is llama.cpp's, a folder MLX's.

    Empty where the model is not here, and for an embedded one, which any engine runs.
    """
    reference = ModelReference.parse(model)
    if reference.kind in (ReferenceKind.EMBEDDED, ReferenceKind.RANDOM):
        return ()
    try:
        path = resolve(reference, places=places)
    except EngineError:
        return ()
    return ("mlx",) if path.is_dir() else ("llama.cpp", "mlx")


def choose_in_folder(folder: Path, quantization: str, engine: str) -> Path | None:
    """The model in `folder` that is meant; None where there is none of that quantization.

    Raises:
        ModelLoadError: there is a model folder alone, and `engine` runs GGUF files.
    """
    files = [
        group.files[0] for _, paths in walk_folders(folder) for group in group_gguf_files(paths)
    ]
    if quantization:
        wanted = quantization.lower()
        named = [file for file in files if wanted in _labels(file)]
        return min(named, default=None, key=lambda file: len(file.name))
    if is_model_folder(folder) and (engine != "llama.cpp" or not files):
        if engine == "llama.cpp":
            raise _wrong_form(folder.name)
        return folder
    return min(files, default=None, key=_preference)


def _at_path(reference: ModelReference, engine: str, places: ModelPlaces) -> Path:
    path = expanded(reference.name)
    if not _exists(path):
        raise ModelNotFound(
            f"There is no model at {reference.name[:200]}.",
            _nearest(reference.name, places)
            or "Give a GGUF file or an MLX model folder, or use demo:target.",
        )
    if path.is_dir() and not is_model_folder(path):
        files = [group.files[0] for group in group_gguf_files(path.iterdir())]
        return min(files, default=path, key=_preference)
    return path


def expanded(text: str) -> Path:
    """The path with `~` replaced; as it stands where there is no such home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _in_repository(reference: ModelReference, engine: str, places: ModelPlaces) -> Path:
    """In the Hugging Face cache, or in LM Studio's folder, which has the same names."""
    for folder in _repository_folders(reference.name, places):
        found = choose_in_folder(folder, reference.quantization, engine)
        if found is not None:
            return found
    pull = f"Download it with: llm-tui models pull {reference}"
    nearest = _nearest(str(reference), places)
    raise ModelNotFound(
        f"{reference} is not on this machine.", f"{pull} {nearest}" if nearest else pull
    )


def _repository_folders(repository: str, places: ModelPlaces) -> list[Path]:
    wanted = repository.lower()
    folders = []
    for cache in places.hugging_face:
        for folder in repository_folders(cache):
            if name_of_repository(folder).lower() == wanted:
                folders += [snapshot for snapshot in (newest_snapshot(folder),) if snapshot]
    folders += [root / repository for root in places.lm_studio if (root / repository).is_dir()]
    return folders


def _in_lm_studio(reference: ModelReference, engine: str, places: ModelPlaces) -> Path:
    models = [model for root in places.lm_studio for model in find_in_lm_studio(root)]
    wanted = reference.name.lower().removesuffix(".gguf")
    found = [model for model in models if wanted in _names_in_lm_studio(model)]
    if not found:
        nearest = difflib.get_close_matches(reference.name, [model.name for model in models], n=3)
        hint = f"Did you mean {' or '.join(LM_STUDIO_PREFIX + name for name in nearest)}?"
        raise ModelNotFound(
            f"LM Studio has no model called {reference.name}.",
            hint if nearest else "See what there is with: llm-tui models list",
        )
    form = ModelFormat.GGUF if engine == "llama.cpp" else ModelFormat.SAFETENSORS
    best = min(found, key=lambda model: (model.format is not form, _preference(model.path)))
    if engine == "llama.cpp" and best.format is not ModelFormat.GGUF:
        raise _wrong_form(best.name)
    return best.path


def _names_in_lm_studio(model: FoundModel) -> set[str]:
    """`org/repo:q4_k_m`, `org/repo`, `repo:q4_k_m`, `repo` and the file's own name."""
    name = model.name.lower()
    short = name.partition("/")[2] or name
    names = {name, short, name.partition(":")[0], short.partition(":")[0]}
    return names | {model.path.stem.lower(), model_stem(model.path).lower()}


def _labels(file: Path) -> set[str]:
    stem = model_stem(file).lower()
    return {quantization_label(file.name).lower(), stem}


def _preference(path: Path) -> tuple[int, int, str]:
    label = quantization_label(path.name)
    known = PREFERRED_QUANTIZATIONS
    place = known.index(label) if label in known else len(known)
    return place, path.stat().st_size if path.is_file() else 0, path.name


def _nearest(text: str, places: ModelPlaces) -> str:
    """`Did you mean …?` with names of models that are here; empty where none is near."""
    names: Sequence[str] = [model.reference for model in find_models(places) if not model.problem]
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else ""


def _wrong_form(name: str) -> ModelLoadError:
    return ModelLoadError(
        f"{name} is here as safetensors, and llama.cpp runs GGUF files.",
        "Use --engine mlx, or download a GGUF version of the model.",
    )
