"""Finds the profiles: built-in, then the user's, then the project's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from profiles.errors import ProfileError
from profiles.inheritance import resolve_profile
from profiles.layers import Layer, ProfileSource, Sources, builtin_sources, folder_sources
from profiles.schema import Profile


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

    @property
    def restricted(self) -> list[Profile]:
        """The project's profiles with keys that do not count until its folder is trusted."""
        return [profile for profile in self.profiles.values() if profile.ignored]

    def keeping(self, before: ProfileCatalog) -> ProfileCatalog:
        """This catalog, with the profiles of `before` in the place of those that broke since."""
        names = [*before.profiles, *(name for name in self.profiles if name not in before.profiles)]
        kept = {
            name: self.profiles.get(name) or before.profiles[name]
            for name in names
            if name in self.profiles or name in self.errors
        }
        return replace(self, profiles=kept)


def load_profiles(
    user_folder: Path | None = None,
    project_folder: Path | None = None,
    is_trusted: Callable[[Path], bool] = lambda folder: False,
) -> ProfileCatalog:
    """Read every profile; a broken one goes to `errors` and the others still work.

    Args:
        project_folder: The profiles of a project (`profiles.layers.project_profiles`).
        is_trusted: Whether the user vouches for such a folder; otherwise keys that could do harm
            are ignored, and the profiles say which.
    """
    trusts_project = project_folder is not None and is_trusted(project_folder)
    layers = (
        builtin_sources(),
        folder_sources(user_folder, Layer.USER),
        folder_sources(project_folder, Layer.PROJECT, trusts_project),
    )
    catalog = ProfileCatalog()
    for name, source in _highest(layers).items():
        try:
            catalog.profiles[name] = resolve_profile(source, layers)
        except ProfileError as error:
            catalog.errors[name] = error
    return catalog


def _highest(layers: tuple[Sources, ...]) -> dict[str, ProfileSource]:
    """For each name the source of the highest layer; names in the order they are first met."""
    found: dict[str, ProfileSource] = {}
    for sources in layers:
        found |= sources
    return found
