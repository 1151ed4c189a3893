"""The profiles of this user in this folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from profiles.inheritance import TRUST_HINT
from profiles.layers import project_profiles
from profiles.loader import ProfileCatalog, load_profiles
from profiles.trust import TrustList, profile_texts
from tui.paths import AppPaths
from tui.sanitize import one_line


def load_catalog(paths: AppPaths, working_folder: Path | None = None) -> ProfileCatalog:
    """Built-in profiles, the user's, and those of the project around the working folder."""
    trusted = TrustList(paths.trusted_folders)
    return load_profiles(paths.profiles, project_folder(working_folder), trusted.is_trusted)


def project_folder(working_folder: Path | None = None) -> Path | None:
    """The profiles of the project around the working folder; None where there are none."""
    try:
        return project_profiles(working_folder or Path.cwd(), Path.home())
    except (OSError, RuntimeError):  # the folder was removed, or nobody has a home
        return None


@contextmanager
def keeping_trust(paths: AppPaths, file: Path) -> Iterator[None]:
    """Change a profile of a trusted project: what the user changes is trusted as before.

    Not so where another profile of the project has changed meanwhile, which nobody has looked at.
    """
    trusted, folder = TrustList(paths.trusted_folders), file.parent
    was_trusted, before = trusted.is_trusted(folder), profile_texts(folder)
    yield
    after = profile_texts(folder)
    if was_trusted and before | {file.name: after.get(file.name, "")} == after:
        trusted.trust(folder, after)


def profile_file(catalog: ProfileCatalog, name: str) -> Path | None:
    """The file of a profile, a broken one too; None for a built-in one.

    Raises:
        ProfileError: there is none of that name.
    """
    broken = catalog.errors.get(name)
    origin = broken.file if broken is not None else catalog.get(name).origin
    return None if origin == "builtin" else Path(origin)


def file_to_change(catalog: ProfileCatalog, name: str, paths: AppPaths) -> Path:
    """The same; a built-in profile gets a file of the user's that extends it.

    Raises:
        ProfileError: there is none of that name, or the file cannot be made.
    """
    from profiles.writing import writable_file

    file = profile_file(catalog, name)
    return file if file is not None else writable_file(catalog.get(name), paths.profiles)


def restriction_text(catalog: ProfileCatalog) -> str:
    """What does not count until the user trusts the project, as a notice."""
    keys = "; ".join(
        f"{profile.name}: {', '.join(profile.ignored)}" for profile in catalog.restricted
    )
    return (
        f"This project's profiles have keys that do not count until you trust it ({keys}). To look"
        " at them: Ctrl+P, Trust project."
    )


def ignored_text(keys: Sequence[str]) -> str:
    """The same for one profile, outside of the app."""
    names = one_line(", ".join(keys))
    return f"not used, for the project is not trusted: {names}. {TRUST_HINT}"
