"""The folders with models that the user named in `config.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from engines.errors import ExplainedError

if TYPE_CHECKING:
    from engines.model_files.finding.found_model import FoundModel

KEY = "model_folders"


class WrongConfig(ExplainedError):
    """`config.toml` says something that cannot be meant."""


def read_model_folders(config_folder: Path) -> list[Path]:
    """The list at `model_folders`; empty without the file or the key.

    Raises:
        WrongConfig: the file is no TOML, or the value is no list of paths.
    """
    path = config_folder / "config.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise WrongConfig(f"{path} cannot be read: {error}.", "Correct the file.") from error
    try:
        folders = tomllib.loads(text).get(KEY, [])
    except tomllib.TOMLDecodeError as error:
        raise WrongConfig(f"{path} is not correct: {error}.", "Correct the line.") from error
    if not isinstance(folders, list) or not all(isinstance(item, str) for item in folders):
        raise WrongConfig(
            f"{path}: {KEY} must be a list of folders.", f'Write it like: {KEY} = ["~/models"]'
        )
    return [Path(item).expanduser() for item in folders]


def made_models_folder() -> Path:
    """Where conversions go, and are found again."""
    from tui.paths import app_paths

    return app_paths().data / "models"


def adapters_folder() -> Path:
    """Where training leaves its adapters."""
    from tui.paths import app_paths

    return app_paths().data / "adapters"


def find_user_models() -> list[FoundModel]:
    """Every model of this user, the embedded ones included.

    Raises:
        WrongConfig: as `read_model_folders`.
    """
    from engines.model_files.finding.places import user_places
    from engines.model_files.finding.search import find_models
    from tui.paths import app_paths

    folders = [made_models_folder(), *read_model_folders(app_paths().config)]
    return find_models(user_places(folders))
