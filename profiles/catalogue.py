"""The models worth recommending: `catalogue.toml` here, and the user's own."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from importlib.resources import files
from math import log
from pathlib import Path
from typing import Any

from engines.errors import ModelNotFound
from engines.model_files.folder_shape import delta_network_bytes
from engines.model_shape import AttentionLayers, ModelShape, Weights, weights_by_bits
from engines.quantization import GGUF, MLX, find_quantization
from profiles.errors import ProfileError
from profiles.task import Task

FILE_NAME = "catalogue.toml"
AGED_AFTER = timedelta(days=365)

_BILLION = 1e9
_CONVOLUTION = 4
_BITS = re.compile(r"(\d)bit|MXFP4-Q(\d)", re.IGNORECASE)
_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)B(?:-A(\d+(?:\.\d+)?)B)?(?![A-Za-z0-9])")
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "released": date,
    "license": str,
    "parameters": (int, float),
}
_KEYS = {
    *_REQUIRED,
    *("repository", "family", "checked", "active", "context", "vocabulary", "tasks"),
    *("mlx", "gguf", "draft", "sizes_gb", "attention", "delta", "latent"),
}


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """A published model.

    Args:
        repository: Of the original weights.
        checked: When somebody last compared the entry with what is published.
        mlx: Repositories with MLX weights, the fewest bits first.
        gguf: Repository with GGUF files, or an empty string.
        draft: Name of a smaller model with the same vocabulary, or an empty string.
        sizes_gb: Of files whose size does not follow from their bits, by quantization.
    """

    name: str
    repository: str
    family: str
    released: date
    checked: date
    license: str
    tasks: tuple[Task, ...]
    shape: ModelShape
    mlx: tuple[str, ...] = ()
    gguf: str = ""
    draft: str = ""
    sizes_gb: Mapping[str, float] = field(default_factory=dict)

    def weights_in(self, quantization: str) -> Weights:
        """The weights in a quantization: of the published size where that is known, else by bits.

        Raises:
            ModelLoadError: there is no such quantization.
        """
        known = find_quantization(quantization)
        if (size_gb := self.sizes_gb.get(known.name)) is None:
            return weights_by_bits(self.shape, known.bits_per_weight, known.name)
        bits = size_gb * 1e9 * 8 / self.shape.parameters
        return weights_by_bits(self.shape, bits, known.name)

    def is_aged(self, today: date) -> bool:
        """Released more than a year before `today`."""
        return today - self.released > AGED_AFTER

    @property
    def mlx_forms(self) -> dict[str, str]:
        """MLX repositories by quantization: `4-bit` → `mlx-community/…-4bit`."""
        return {quantization_of_mlx(repository): repository for repository in self.mlx}


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """A model of the catalogue, and the form that was named with it.

    Args:
        quantization: That of the repository or of what stood after the colon; may be empty.
        format: `gguf` or `mlx` where the name told, else empty.
    """

    model: CatalogueModel
    quantization: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Models by name; `error` is what is wrong with the user's file, whose models are left out."""

    models: Mapping[str, CatalogueModel] = field(default_factory=dict)
    error: ProfileError | None = None

    def find(self, name: str) -> FoundEntry:
        """The model that `name` means: its name, a repository of it, `repository:Q4_K_M`.

        Raises:
            ModelNotFound: none; the hint names the nearest.
        """
        repository, _, quantization = name.partition(":")
        wanted = repository.lower()
        for model in self.models.values():
            if wanted in (model.name.lower(), model.repository.lower()):
                return FoundEntry(model, quantization)
            if wanted == model.gguf.lower():
                return FoundEntry(model, quantization, GGUF)
            for form in model.mlx:
                if wanted == form.lower():
                    return FoundEntry(model, quantization_of_mlx(form), MLX)
        near = difflib.get_close_matches(
            wanted.rpartition("/")[2], [known.lower() for known in self.models], n=3, cutoff=0.4
        )
        names = {known.lower(): known for known in self.models}
        hint = f"Did you mean {' or '.join(names[known] for known in near)}?" if near else ""
        raise ModelNotFound(
            f"{name} is neither on this machine nor in the catalogue.",
            hint or f"Add it to {FILE_NAME} in the configuration folder, or download it.",
        )

    def guess(self, name: str) -> ModelShape | None:
        """The shape that a name like `Qwen3-235B-A22B` stands for; None where it names no size.

        Its layers are those of the model here whose size is nearest, without windows or states.
        """
        match = _SIZE.search(name)
        if match is None:
            return None
        parameters = round(float(match[1]) * _BILLION)
        active = round(float(match[2]) * _BILLION) if match[2] else parameters
        plain = [model.shape for model in self.models.values() if not model.shape.forgets]
        if not plain or not parameters:
            return None
        nearest = min(plain, key=lambda shape: abs(log(shape.parameters / parameters)))
        return replace(nearest, name=name, parameters=parameters, active_parameters=active)


def load_catalogue(config_folder: Path | None = None) -> Catalogue:
    """The built-in models, and those of `catalogue.toml` in `config_folder`."""
    text = files("profiles").joinpath(FILE_NAME).read_text(encoding="utf-8")
    models = parse_catalogue(text, "builtin")
    path = config_folder / FILE_NAME if config_folder else None
    if path is None or not path.is_file():
        return Catalogue(models)
    try:
        return Catalogue(models | parse_catalogue(path.read_text(encoding="utf-8"), str(path)))
    except (OSError, UnicodeDecodeError) as error:
        return Catalogue(models, ProfileError("cannot be read", str(error), str(path)))
    except ProfileError as error:
        return Catalogue(models, error)


def parse_catalogue(text: str, origin: str) -> dict[str, CatalogueModel]:
    """The models of a catalogue's text, by name.

    Raises:
        ProfileError: it is not TOML, or an entry lacks a key or has a wrong one.
    """
    try:
        entries = tomllib.loads(text).get("model", [])
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"is not valid TOML: {error}", "Correct that line.", origin) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ProfileError(
            "must be a list of tables", "Begin each with [[model]].", origin, "model"
        )
    models = [_model(entry, f"model.{number}", origin) for number, entry in enumerate(entries)]
    return {model.name: model for model in models}


def quantization_of_mlx(repository: str) -> str:
    """`4-bit` of `mlx-community/Qwen3-8B-4bit`; `4-bit` for gpt-oss's MXFP4 too."""
    match = _BITS.search(repository)
    return f"{match[1] or match[2]}-bit" if match else "bf16"


def _model(entry: Mapping[str, Any], place: str, origin: str) -> CatalogueModel:
    for key, kind in _REQUIRED.items():
        if not isinstance(entry.get(key), kind):
            problem = "is missing" if key not in entry else f"cannot be {entry[key]!r}"
            raise ProfileError(problem, f"See the built-in {FILE_NAME}.", origin, f"{place}.{key}")
    if unknown := sorted(entry.keys() - _KEYS):
        near = difflib.get_close_matches(unknown[0], _KEYS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(sorted(_KEYS))}."
        raise ProfileError("is not a known key", hint, origin, f"{place}.{unknown[0]}")
    try:
        return CatalogueModel(
            name=entry["name"],
            repository=entry.get("repository", entry["name"]),
            family=entry.get("family", entry["name"]),
            released=entry["released"],
            checked=entry.get("checked", entry["released"]),
            license=entry["license"],
            tasks=tuple(Task(task) for task in entry.get("tasks", ())),
            shape=_shape(entry),
            mlx=tuple(entry.get("mlx", ())),
            gguf=entry.get("gguf", ""),
            draft=entry.get("draft", ""),
            sizes_gb=dict(entry.get("sizes_gb", {})),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ProfileError(reason, f"See the built-in {FILE_NAME}.", origin, place) from error


def _shape(entry: Mapping[str, Any]) -> ModelShape:
    attention = [
        AttentionLayers(
            kind["layers"],
            kind["kv_heads"],
            kind["head_dim"],
            kind["head_dim"],
            kind.get("heads", 0),
            kind.get("window"),
        )
        for kind in entry.get("attention", ())
    ]
    if latent := entry.get("latent"):
        size = latent["rank"] + latent["rope_dim"]
        attention.append(AttentionLayers(latent["layers"], 1, size, 0, latent.get("heads", 0)))
    delta = entry.get("delta")
    parameters = round(entry["parameters"] * _BILLION)
    return ModelShape(
        name=entry["name"],
        architecture=str(entry.get("family", "")),
        parameters=parameters,
        active_parameters=round(entry.get("active", 0) * _BILLION) or parameters,
        context_window_tokens=entry.get("context", 0),
        attention=tuple(attention),
        state_bytes=_state_bytes(delta) if delta else 0,
        vocabulary_size=entry.get("vocabulary", 0),
    )


def _state_bytes(delta: Mapping[str, Any]) -> int:
    size = delta["head_dim"]
    one = delta_network_bytes(delta["key_heads"], delta["value_heads"], size, size, _CONVOLUTION)
    return int(delta["layers"] * one)
