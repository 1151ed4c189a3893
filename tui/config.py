"""What the user set in `config.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.errors import ExplainedError

if TYPE_CHECKING:
    from profiles.loader import ProfileCatalog

START_PROFILE = "start_profile"


class ConfigError(ExplainedError):
    """`config.toml` cannot be used or changed."""


def read_config(file: Path) -> dict[str, Any]:
    """The settings; none where there is no file.

    Raises:
        ConfigError: the file is no TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be used: {error}.", "Correct the file.") from error


def set_config(file: Path, key: str, value: Any) -> None:
    """Change one setting and leave everything else in the file as it was.

    Raises:
        ConfigError: the file is no TOML, or cannot be written.
    """
    import tomlkit

    from profiles.atomic import write_text

    read_config(file)
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8") if file.exists() else "")
        document[key] = value
        write_text(file, tomlkit.dumps(document))
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error}.", "Make the folder writable."
        ) from error


def start_profile(file: Path, catalog: ProfileCatalog) -> tuple[str | None, list[str]]:
    """The profile to start with by the user's choice, and what is wrong with that choice.

    None where there is no choice that works: nobody is kept from the app by it.
    """
    try:
        name = read_config(file).get(START_PROFILE)
    except ConfigError as error:
        return None, [f"{error.message} {error.hint}"]
    if name is None or (isinstance(name, str) and name in catalog.profiles):
        return name, []
    mend = "Choose another one with: llm-tui profiles use NAME"
    return None, [f"{file}: {START_PROFILE} is {name!r}, and no such profile works. {mend}"]
