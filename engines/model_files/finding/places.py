"""Where the programs that people run models with keep them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where Ollama's installer for Linux lets its service keep models."""


@dataclass(frozen=True, slots=True)
class ModelPlaces:
    """Folders to look for models in; those that do not exist hold none.

    Args:
        folders: What the user named in `config.toml`.
    """

    hugging_face: tuple[Path, ...] = ()
    lm_studio: tuple[Path, ...] = ()
    ollama: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()


def user_places(
    folders: Sequence[Path] = (),
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> ModelPlaces:
    """The places of this user, by the same variables that those programs read."""
    home = home or Path.home()
    return ModelPlaces(
        hugging_face=(hugging_face_cache(environment, home),),
        lm_studio=_lm_studio(home),
        ollama=_ollama(environment, home),
        folders=tuple(folder.expanduser() for folder in folders),
    )


def hugging_face_cache(
    environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> Path:
    """The cache that huggingface_hub uses, whichever of its variables are set."""
    home = home or Path.home()
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return _expanded(environment[name], environment, home)
    if environment.get("HF_HOME"):
        return _expanded(environment["HF_HOME"], environment, home) / "hub"
    caches = environment.get("XDG_CACHE_HOME") or str(home / ".cache")
    return _expanded(caches, environment, home) / "huggingface" / "hub"


def _lm_studio(home: Path) -> tuple[Path, ...]:
    """The folder chosen in its settings, then the usual ones of new and old versions."""
    roots = [home / ".lmstudio"]
    pointer = home / ".lmstudio-home-pointer"
    with suppress(OSError, ValueError):
        roots.insert(0, Path(pointer.read_text(encoding="utf-8").strip() or roots[0]))
    chosen = [folder for root in roots if (folder := _downloads_folder(root / "settings.json"))]
    usual = [root / "models" for root in roots] + [home / ".cache" / "lm-studio" / "models"]
    return tuple(dict.fromkeys([*chosen, *usual]))


def _downloads_folder(settings: Path) -> Path | None:
    try:
        folder = json.loads(settings.read_text(encoding="utf-8")).get("downloadsFolder")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return Path(folder) if isinstance(folder, str) and folder else None


def _ollama(environment: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    if environment.get("OLLAMA_MODELS"):
        return (_expanded(environment["OLLAMA_MODELS"], environment, home),)
    own = home / ".ollama" / "models"
    return (own, _OLLAMA_SERVICE) if platform.system() == "Linux" else (own,)


def _expanded(text: str, environment: Mapping[str, str], home: Path) -> Path:
    path = Path(os.path.expandvars(text))
    if path.parts[:1] == ("~",):
        return home.joinpath(*path.parts[1:])
    return path
