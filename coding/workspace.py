"""The folder that may be written to."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from coding.errors import CodingError, PermissionDenied


class Workspace:
    """A folder and the guard around it.

    Args:
        root: The folder; everything outside of it is refused.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def resolve(self, name: str) -> Path:
        """The path that `name` stands for, inside the workspace.

        Raises:
            PermissionDenied: it leads out of the workspace, by `..`, as an absolute path, or
                through a symbolic link.
        """
        path = (self.root / Path(name).expanduser()).resolve()
        if not path.is_relative_to(self.root) or path == self.root:
            raise PermissionDenied(
                f"{name} is outside of {self.root}.", "Choose a name inside of this folder."
            )
        return path

    def save_new(self, name: str, text: str) -> Path:
        """Write a file that does not exist yet and return its path.

        Where `name` is taken, the first free one of `name-2`, `name-3`, … is used.

        Raises:
            PermissionDenied: see `resolve`.
            CodingError: the file cannot be written.
        """
        path = self.resolve(name)
        names = (path if n == 1 else path.with_stem(f"{path.stem}-{n}") for n in count(1))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for free in names:
                if not free.exists() and not free.is_symlink():
                    with free.open("x", encoding="utf-8") as file:
                        file.write(text)
                    return free
        except OSError as error:
            reason = error.strerror or str(error)
            raise CodingError(f"{name} cannot be written: {reason}.", "Choose another.") from error
        raise AssertionError("there is always a next number")
