"""Which project folders the user vouches for.

Trust holds for the profiles as they were when it was given: a later pull may bring other files, so
a changed, new or removed one asks again (as direnv does, and for the same reason).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from engines.errors import ExplainedError
from profiles.atomic import write_text
from profiles.errors import ProfileError
from profiles.layers import read_profile_text


class TrustError(ExplainedError):
    """The list of trusted folders cannot be kept."""


class TrustList:
    """The trusted folders, by their real path.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def is_trusted(self, folder: Path) -> bool:
        """Whether `folder` is trusted and its profiles are those that were trusted."""
        return self._read().get(_key(folder)) == _digest(profile_texts(folder))

    def trust(self, folder: Path, texts: Mapping[str, str] | None = None) -> None:
        """Vouch for the profiles of `folder`.

        Args:
            texts: The profiles as the user has seen them; None for those that are there now.

        Raises:
            TrustError: the list cannot be written.
        """
        seen = profile_texts(folder) if texts is None else texts
        self._write(self._read() | {_key(folder): _digest(seen)})

    def forget(self, folder: Path) -> bool:
        """Trust it no more; False where it was not trusted.

        Raises:
            TrustError: the list cannot be written.
        """
        trusted = self._read()
        if trusted.pop(_key(folder), None) is None:
            return False
        self._write(trusted)
        return True

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # whoever cannot be asked vouches for nothing
        return found if isinstance(found, dict) else {}

    def _write(self, trusted: dict[str, str]) -> None:
        try:
            write_text(self._file, json.dumps(trusted, indent=2) + "\n", mode=0o600)
        except OSError as error:
            raise TrustError(
                f"The trusted folders cannot be saved in {self._file}: {error}.",
                "Make the folder writable.",
            ) from error


def _key(folder: Path) -> str:
    return str(folder.resolve())


def profile_texts(folder: Path) -> dict[str, str]:
    """What trust is given to: the text of each profile, by its file's name."""
    texts = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            texts[path.name] = read_profile_text(path)
        except ProfileError:
            texts[path.name] = ""  # nor is it loaded
    return texts


def _digest(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()
