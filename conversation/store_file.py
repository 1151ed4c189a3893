"""Opens the database file, whatever state it is in.

open_database(path) -> OpenedDatabase(path, connection, notices, is_temporary)
connect(path) -> sqlite3.Connection
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conversation.schema import migrate

BUSY_TIMEOUT_S = 5.0
LARGEST_CHECKED_BYTES = 64 * 1024 * 1024
"""Files up to this size are checked whole on opening, which takes well under a second."""

_CORRUPT_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class OpenedDatabase:
    """A database that is ready.

    Args:
        notices: What the user should know about how it was opened, one sentence each.
        is_temporary: The wanted file cannot be used; this one goes with the process.
    """

    path: Path
    connection: sqlite3.Connection
    notices: tuple[str, ...] = ()
    is_temporary: bool = False


def connect(path: Path) -> sqlite3.Connection:
    """A connection that begins no transactions of its own and may be used on any one thread."""
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_database(path: Path) -> OpenedDatabase:
    """Open or create the database at `path` and bring it up to date.

    A corrupt file is renamed, never deleted, and a new one takes its place. Where nothing can be
    kept at `path`, a temporary file serves for this process.

    Raises:
        StoreTooNew: a newer version of this program wrote it; the file is left alone.
    """
    try:
        connection = _open_if_sound(path)
        return _replace_damaged(path) if connection is None else OpenedDatabase(path, connection)
    except (OSError, sqlite3.OperationalError) as error:
        notice = (
            f"Conversations cannot be saved at {path} ({_reason(error)}); this session will be lost"
            " when you leave."
        )
        temporary = Path(tempfile.mkdtemp(prefix="llm-tui-")) / path.name
        return OpenedDatabase(temporary, _open(temporary), (notice,), is_temporary=True)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is damaged or no database at all."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _CORRUPT_CODES


def set_aside(path: Path) -> Path:
    """Rename a database and its journals; returns the new path."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.stem}.damaged-{stamp}-{number}{path.suffix}")
    for ending in ("", "-wal", "-shm"):
        source = Path(f"{path}{ending}")
        if source.exists():
            source.rename(f"{target}{ending}")
    return target


def _replace_damaged(path: Path) -> OpenedDatabase:
    with _folder_locked(path.parent):
        if (connection := _open_if_sound(path)) is not None:
            return OpenedDatabase(path, connection)  # another instance was faster
        kept = set_aside(path)
        notice = f"The saved conversations were damaged; the file is kept as {kept}."
        return OpenedDatabase(path, _open(path), (notice,))


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_if_sound(path: Path) -> sqlite3.Connection | None:
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if is_corrupt(error):
            return None
        raise


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    connection = connect(path)
    try:
        migrate(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size > LARGEST_CHECKED_BYTES:
        return
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        error = sqlite3.DatabaseError(f"database disk image is malformed: {verdict}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
