"""Where the picker's knowledge comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from conversation.measurements import Measurements
from engines.base import Cancelled
from engines.described_machine import choose_machine
from engines.hardware import Machine
from engines.model_files.download import download
from engines.model_files.download_progress import Report
from engines.model_files.finding.found_model import FoundModel
from engines.model_files.finding.places import user_places
from engines.model_files.finding.search import find_models
from engines.speed import NOT_MEASURED, MeasuredSpeed
from engines.types import LoadRequest
from profiles.catalogue import Catalogue, load_catalogue
from tui.model_folders import read_model_folders
from tui.paths import AppPaths

_USUAL_CONTEXT_TOKENS = 1000

Fetch = Callable[[str, Report, Cancelled], Path | None]


@dataclass(frozen=True, slots=True)
class ModelSources:
    """Each part may take its time and is called on a thread of its own.

    Args:
        speed: What a model did here on an engine.
        fetch: As `engines.model_files.download.download`.
        discard: Moves a file or folder to the trash, or raises OSError.
    """

    find: Callable[[], list[FoundModel]]
    machine: Callable[[], Machine]
    catalogue: Callable[[], Catalogue]
    speed: Callable[[str, str], MeasuredSpeed]
    fetch: Fetch
    discard: Callable[[Path], None]


def user_sources(paths: AppPaths, measurements: Measurements | None) -> ModelSources:
    """The folders, the machine and the hub of this user."""

    def find() -> list[FoundModel]:
        folders = [paths.data / "models", *read_model_folders(paths.config)]
        return find_models(user_places(folders))

    def speed(model: str, engine: str) -> MeasuredSpeed:
        if measurements is None:
            return NOT_MEASURED
        return replace(
            measurements.speed(LoadRequest(engine, model), _USUAL_CONTEXT_TOKENS), prefill_tps=None
        )

    return ModelSources(
        find=find,
        machine=lambda: choose_machine(None, paths.cache),
        catalogue=lambda: load_catalogue(paths.config),
        speed=speed,
        fetch=download,
        discard=move_to_trash,
    )


def move_to_trash(path: Path) -> None:
    from send2trash import send2trash

    send2trash(path)
