"""Sees that the profiles on disk have changed, by looking."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

LOOK_S = 1.0
Look = frozenset[tuple[str, int, int, int]]


class ProfileWatch:
    """Compares names, times and sizes of the files at some paths: some 20 µs a look.

    Args:
        paths: Folders, whose files are watched but not what lies deeper, and single files. None
            of them has to be there.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._known = self._look()
        self._unsettled: Look | None = None

    def has_changed(self) -> bool:
        """True once for each change, and only when nothing has changed since the last look.

        An editor may write a file in several steps.
        """
        now = self._look()
        if now == self._known:
            self._unsettled = None
            return False
        if now != self._unsettled:
            self._unsettled = now
            return False
        self.take_in()
        return True

    def take_in(self) -> None:
        """What there is now is known."""
        self._known, self._unsettled = self._look(), None

    def _look(self) -> Look:
        found = set()
        for path in self._paths:
            try:
                with os.scandir(path) as entries:
                    files = [entry.path for entry in entries]
            except NotADirectoryError:
                files = [str(path)]
            except OSError:
                continue
            found |= {mark for file in files if (mark := _mark(file)) is not None}
        return frozenset(found)


def _mark(file: str) -> tuple[str, int, int, int] | None:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return file, status.st_ino, status.st_mtime_ns, status.st_size
