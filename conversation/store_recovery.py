"""Answers that were running when their process died."""

from __future__ import annotations

import json
import sqlite3

from conversation.part_json import parts_to_json
from conversation.process_identity import is_alive
from conversation.store_reads import chunk_parts


def mark_interrupted(connection: sqlite3.Connection) -> int:
    """Mark running answers of dead processes as interrupted, with the text that had come.

    Answers of other instances that are alive are left alone. Returns how many were marked.
    """
    if not _orphans(connection):
        return 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        orphans = _orphans(connection)
        for message_id in orphans:
            _mark(connection, message_id)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return len(orphans)


def _orphans(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT id, owner FROM messages WHERE status = 'running' ORDER BY number"
    ).fetchall()
    return [message_id for message_id, owner in rows if not is_alive(owner or "")]


def _mark(connection: sqlite3.Connection, message_id: str) -> None:
    parts = chunk_parts(connection, message_id)
    text = "".join(getattr(part, "text", "") for part in parts)
    connection.execute(
        "UPDATE messages SET status = 'interrupted', parts = ?, search_text = ? WHERE id = ?",
        (json.dumps(parts_to_json(parts), ensure_ascii=False), text.casefold(), message_id),
    )
    connection.execute("DELETE FROM chunks WHERE message_id = ?", (message_id,))
