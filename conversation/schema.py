"""The database's tables, and the steps from each version to the next.

`PRAGMA user_version` counts the steps taken. A step is never changed once released.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from conversation.errors import StoreTooNew

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE conversations (
            id          TEXT PRIMARY KEY,
            title       TEXT NOT NULL,
            leaf_id     TEXT,
            created_at  REAL NOT NULL,
            updated_at  REAL NOT NULL,
            deleted_at  REAL
        )
        """,
        """
        CREATE TABLE messages (
            number           INTEGER PRIMARY KEY,
            id               TEXT NOT NULL UNIQUE,
            conversation_id  TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            parent_id        TEXT,
            role             TEXT NOT NULL,
            status           TEXT NOT NULL,
            parts            TEXT NOT NULL,
            search_text      TEXT NOT NULL,
            created_at       REAL NOT NULL,
            profile          TEXT NOT NULL,
            model            TEXT NOT NULL,
            stats            TEXT,
            error            TEXT,
            owner            TEXT
        )
        """,
        "CREATE INDEX messages_by_conversation ON messages(conversation_id)",
        "CREATE INDEX running_messages ON messages(status) WHERE status = 'running'",
        """
        CREATE TABLE chunks (
            number      INTEGER PRIMARY KEY,
            message_id  TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
            kind        TEXT NOT NULL,
            text        TEXT NOT NULL
        )
        """,
        "CREATE INDEX chunks_by_message ON chunks(message_id)",
    ),
    (
        """
        CREATE TABLE traces (
            message_id   TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
            fingerprint  TEXT NOT NULL,
            is_opening   INTEGER NOT NULL,
            token_ids    BLOB NOT NULL,
            PRIMARY KEY (message_id, fingerprint, is_opening)
        )
        """,
    ),
    (
        """
        CREATE TABLE measurements (
            number            INTEGER PRIMARY KEY,
            measured_at       REAL NOT NULL,
            machine           TEXT NOT NULL,
            profile           TEXT NOT NULL,
            task              TEXT NOT NULL,
            model             TEXT NOT NULL,
            draft             TEXT NOT NULL,
            engine            TEXT NOT NULL,
            quantization      TEXT NOT NULL,
            kv_type           TEXT NOT NULL,
            prompt_tokens     INTEGER NOT NULL,
            cached_tokens     INTEGER NOT NULL,
            generated_tokens  INTEGER NOT NULL,
            ttft_s            REAL,
            prefill_s         REAL NOT NULL,
            decode_s          REAL NOT NULL,
            load_s            REAL,
            drafted_tokens    INTEGER NOT NULL,
            accepted_tokens   INTEGER NOT NULL,
            net_gain          REAL
        )
        """,
        "CREATE INDEX measurements_by_machine ON measurements(machine)",
    ),
)


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Take the steps that are missing, all of them or none.

    Raises:
        StoreTooNew: the file has taken steps that this program does not know; it is left alone.
    """
    newest = len(migrations)
    if _known_version(connection, newest) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in migrations[_known_version(connection, newest) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newest}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _known_version(connection: sqlite3.Connection, newest: int) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > newest:
        raise StoreTooNew(
            f"The conversations were saved by a newer llm-tui (format {version}, this one reads up"
            f" to {newest}).",
            "Update llm-tui, or start it with another data folder.",
        )
    return version
