"""Where profiles are: built in, the user's, and those of the project around the working folder."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from profiles.errors import ProfileError
from profiles.kinds import LARGEST_FILE_BYTES
from profiles.positions import KeyPath, Position
from profiles.reading import Document, Settings, parse_document, read_settings
from profiles.restrictions import without_risky_keys

BUILTIN_ORDER = ("chat", "coding", "reasoning", "long-doc")
"""F2 goes through the built-in profiles in this order, then through the others by name."""

PROJECT_PROFILES = Path(".llm-tui", "profiles")
_REPOSITORY = ".git"


class Layer(StrEnum):
    """From the lowest to the highest: a profile of a higher layer takes the place of a lower."""

    BUILTIN = "built-in"
    USER = "user"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class ProfileSource:
    """What one file says, by itself.

    Args:
        is_trusted: False for a project's file that the user has not vouched for; its risky keys
            are in `ignored` and not in `settings`.
    """

    name: str
    layer: Layer
    origin: str
    settings: Settings = field(default_factory=dict)
    errors: tuple[ProfileError, ...] = ()
    is_trusted: bool = True
    ignored: tuple[str, ...] = ()
    positions: Mapping[KeyPath, Position] = field(default_factory=dict)

    def error(self, message: str, hint: str, key: str) -> ProfileError:
        """An error at a key of the file, at its line where the file has it."""
        line, column = self.positions.get((key,), (0, 0))
        return ProfileError(message, hint, self.origin, key, line, column)


Sources = dict[str, ProfileSource]
"""One layer, by name."""


def project_profiles(working_folder: Path, home: Path) -> Path | None:
    """The profiles folder of the project around `working_folder`; None where there is none.

    Looked for in every folder up to the one that holds the repository, and never in the home
    folder or above it.
    """
    folder, home = working_folder.resolve(), home.resolve()
    for candidate in (folder, *folder.parents):
        if candidate == home or candidate in home.parents:
            return None
        if (candidate / PROJECT_PROFILES).is_dir():
            return candidate / PROJECT_PROFILES
        if (candidate / _REPOSITORY).exists():
            return None
    return None


def project_root(profiles_folder: Path) -> Path:
    """The project that `profiles_folder` belongs to."""
    return profiles_folder.parents[len(PROJECT_PROFILES.parts) - 1]


def builtin_sources() -> Sources:
    folder = files("profiles").joinpath("builtin")
    texts = {
        name: folder.joinpath(f"{name}.toml").read_text(encoding="utf-8") for name in BUILTIN_ORDER
    }
    return {name: _source(name, Layer.BUILTIN, text, "builtin") for name, text in texts.items()}


def folder_sources(folder: Path | None, layer: Layer, is_trusted: bool = True) -> Sources:
    """The files of `folder` by name; one that cannot be read is a source with an error."""
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: _read(path, layer, is_trusted) for path in sorted(folder.glob("*.toml"))}


def _read(path: Path, layer: Layer, is_trusted: bool) -> ProfileSource:
    try:
        text = read_profile_text(path)
    except ProfileError as error:
        return ProfileSource(path.stem, layer, str(path), errors=(error,), is_trusted=is_trusted)
    return _source(path.stem, layer, text, str(path), path.parent, is_trusted)


def read_profile_text(path: Path) -> str:
    """The text of a profile's file.

    Raises:
        ProfileError: it is no text file of a reasonable size.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE_BYTES:
            raise OSError("it is not a file of at most 1 MB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read ({error})"
        raise ProfileError(message, "Mend or remove it.", str(path)) from error


def _source(
    name: str,
    layer: Layer,
    text: str,
    origin: str,
    folder: Path | None = None,
    is_trusted: bool = True,
) -> ProfileSource:
    try:
        document = parse_document(text, origin, folder)
    except ProfileError as error:
        return ProfileSource(name, layer, origin, errors=(error,), is_trusted=is_trusted)
    ignored: tuple[str, ...] = ()
    if not is_trusted and folder is not None:
        values, ignored = without_risky_keys(document.values, folder, project_root(folder))
        document = Document(values, origin, folder, document.positions)
    settings, errors = read_settings(document)
    return ProfileSource(
        name,
        layer,
        origin,
        settings,
        tuple(errors),
        is_trusted,
        ignored,
        document.positions or {},
    )
