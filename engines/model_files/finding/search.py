"""Every model that lies on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engines.demo import DEMO_MODELS, demo_model_path
from engines.model_files.finding.folder_models import describe_group, find_in_folder
from engines.model_files.finding.found_model import FoundModel, Source
from engines.model_files.finding.gguf_files import GgufGroup
from engines.model_files.finding.hugging_face import find_in_hugging_face_cache
from engines.model_files.finding.lm_studio import find_in_lm_studio
from engines.model_files.finding.ollama import find_in_ollama
from engines.model_files.finding.places import ModelPlaces


def find_models(places: ModelPlaces) -> list[FoundModel]:
    """The models in `places` and the embedded ones; what lies in two places comes once.

    Reads the beginnings of files only. What cannot be read is listed with its `problem`.
    """
    seen, found = set[Path](), list[FoundModel]()
    for model in _search(places):
        place = _real_path(model.path)
        if place not in seen:
            seen.add(place)
            found.append(model)
    return found


def _search(places: ModelPlaces) -> Iterator[FoundModel]:
    for folder in places.folders:
        yield from find_in_folder(folder)
    for cache in places.hugging_face:
        yield from find_in_hugging_face_cache(cache)
    for root in places.lm_studio:
        yield from find_in_lm_studio(root)
    for root in places.ollama:
        yield from find_in_ollama(root)
    for name in DEMO_MODELS:
        path = demo_model_path(name)
        if path is not None:
            model = describe_group(GgufGroup((path,)), Source.EMBEDDED, name, name)
            if model is not None:
                yield model


def _real_path(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path
