"""Finds the profiles: the built-in ones, then the user's, which replace those of the same name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from profiles.errors import ProfileError
from profiles.schema import Profile, profile_from_toml

BUILTIN_ORDER = ("chat", "coding", "reasoning", "long-doc")
"""F2 goes through the built-in profiles in this order, then through the user's by name."""


@dataclass(frozen=True, slots=True)
class ProfileCatalog:
    """The profiles that work, in order, and the errors of those that do not, by name."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    errors: dict[str, ProfileError] = field(default_factory=dict)

    def get(self, name: str) -> Profile:
        """The profile called `name`.

        Raises:
            ProfileError: it is broken, or there is none of that name.
        """
        if name in self.errors:
            raise self.errors[name]
        if name not in self.profiles:
            known = ", ".join(self.profiles)
            raise ProfileError(f"There is no profile called {name}.", f"Choose one of: {known}.")
        return self.profiles[name]

    def next_after(self, name: str, step: int = 1) -> Profile:
        """The profile `step` places after `name`, going round."""
        names = list(self.profiles)
        place = names.index(name) if name in names else -1
        return self.profiles[names[(place + step) % len(names)]]


def load_profiles(user_folder: Path | None = None) -> ProfileCatalog:
    """Read every profile; a broken one goes to `errors` and the others still work."""
    catalog = ProfileCatalog()
    builtin = {path.name: path for path in files("profiles").joinpath("builtin").iterdir()}
    for name in BUILTIN_ORDER:
        text = builtin[f"{name}.toml"].read_text(encoding="utf-8")
        catalog.profiles[name] = profile_from_toml(name, tomllib.loads(text), "builtin")
    if user_folder is not None and user_folder.is_dir():
        for path in sorted(user_folder.glob("*.toml")):
            _add(catalog, path)
    return catalog


def _add(catalog: ProfileCatalog, path: Path) -> None:
    name = path.stem
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        catalog.profiles[name] = profile_from_toml(name, values, str(path))
    except ProfileError as error:
        broken = error
    except (OSError, UnicodeDecodeError) as error:
        broken = ProfileError(f"cannot be read ({error})", "Mend or remove it.", str(path))
    except tomllib.TOMLDecodeError as error:
        broken = ProfileError(f"is not valid TOML: {error}", "Correct that line.", str(path))
    else:
        return
    catalog.profiles.pop(name, None)
    catalog.errors[name] = broken
