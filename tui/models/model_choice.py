"""Has a model answer: in this run of the program, or by writing it into a profile."""

from __future__ import annotations

from pathlib import Path

from profiles.schema import Profile
from profiles.writing import set_key, unset_key
from tui.models.row import ModelRow
from tui.paths import AppPaths
from tui.profile_folders import file_to_change, keeping_trust
from tui.services import Services

_OF_THE_OLD_MODEL = ("quantization", "draft", "draft_depth", "adapter", "gpu_layers")


def demo_profiles(services: Services) -> list[Profile]:
    """The profiles that still run an embedded model."""
    return [
        profile
        for profile in services.catalog.profiles.values()
        if profile.model.startswith("demo:") and not profile.model_by_engine
    ]


def write_model(services: Services, paths: AppPaths, profile: Profile, row: ModelRow) -> Path:
    """Make the row's model the profile's; returns the file that was written.

    A built-in profile gets a file of the user's. What belongs to the old model goes with it.

    Raises:
        ProfileError: the file cannot be made or changed.
    """
    file = file_to_change(services.catalog, profile.name, paths)
    with keeping_trust(paths, file):
        for key in _OF_THE_OLD_MODEL:
            unset_key(file, key)
        set_key(file, "model", row.reference)
        if profile.engine not in ("auto", *row.engines[:1]):
            set_key(file, "engine", "auto")
    return file
