"""The statements that change the database. Each function is one step of a transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from array import array
from collections.abc import Mapping, Sequence

from conversation.message import Message, MessageStatus
from conversation.part_json import parts_to_json
from conversation.process_identity import own_identity
from conversation.prompt import TokenIds, TraceKey
from engines.events import TextKind


def save_messages(
    connection: sqlite3.Connection, conversation_id: str, title: str, messages: Sequence[Message]
) -> None:
    """Add messages; the last one ends the branch in view. The first make the conversation."""
    now = time.time()
    connection.execute(
        "INSERT OR IGNORE INTO conversations (id, title, created_at, updated_at)"
        " VALUES (?, ?, ?, ?)",
        (conversation_id, title, now, now),
    )
    for message in messages:
        is_running = message.status is MessageStatus.RUNNING
        connection.execute(
            "INSERT INTO messages (id, conversation_id, parent_id, role, status, parts,"
            " search_text, created_at, profile, model, owner)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                conversation_id,
                message.parent_id,
                message.role,
                message.status,
                _parts(message),
                message.text.casefold(),
                message.created_at,
                message.profile,
                message.model,
                own_identity() if is_running else None,
            ),
        )
    select_branch(connection, conversation_id, messages[-1].id)


def append_text(
    connection: sqlite3.Connection, message_id: str, kind: TextKind, texts: Sequence[str]
) -> None:
    """Add to a running answer."""
    connection.execute(
        "INSERT INTO chunks (message_id, kind, text) VALUES (?, ?, ?)",
        (message_id, kind, "".join(texts)),
    )


def finish_answer(
    connection: sqlite3.Connection, message: Message, traces: Mapping[TraceKey, TokenIds]
) -> None:
    """Put the whole answer in the place of its chunks, and keep the traces."""
    error = message.error
    connection.execute(
        "UPDATE messages SET status = ?, parts = ?, search_text = ?, model = ?, stats = ?,"
        " error = ?, owner = NULL WHERE id = ?",
        (
            message.status,
            _parts(message),
            message.text.casefold(),
            message.model,
            json.dumps(message.stats) if message.stats else None,
            json.dumps([error.message, error.hint]) if error else None,
            message.id,
        ),
    )
    connection.execute("DELETE FROM chunks WHERE message_id = ?", (message.id,))
    connection.executemany(
        "INSERT OR REPLACE INTO traces (message_id, fingerprint, is_opening, token_ids)"
        " SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM messages WHERE id = ?)",
        [
            (key.message_id, key.fingerprint, key.is_opening, array("i", ids), key.message_id)
            for key, ids in traces.items()
        ],
    )
    connection.execute(
        "UPDATE conversations SET updated_at = ?"
        " WHERE id = (SELECT conversation_id FROM messages WHERE id = ?)",
        (time.time(), message.id),
    )


def select_branch(connection: sqlite3.Connection, conversation_id: str, leaf_id: str) -> None:
    connection.execute(
        "UPDATE conversations SET leaf_id = ?, updated_at = ? WHERE id = ?",
        (leaf_id, time.time(), conversation_id),
    )


def rename(connection: sqlite3.Connection, conversation_id: str, title: str) -> None:
    connection.execute("UPDATE conversations SET title = ? WHERE id = ?", (title, conversation_id))


def set_deleted(
    connection: sqlite3.Connection, conversation_id: str, deleted_at: float | None
) -> None:
    """Hide a conversation, or with None bring it back."""
    connection.execute(
        "UPDATE conversations SET deleted_at = ? WHERE id = ?", (deleted_at, conversation_id)
    )


def purge_deleted(connection: sqlite3.Connection, deleted_before: float) -> None:
    connection.execute("DELETE FROM conversations WHERE deleted_at < ?", (deleted_before,))


def dismiss_interrupted(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE messages SET owner = NULL WHERE status = 'interrupted'")


def _parts(message: Message) -> str:
    return json.dumps(parts_to_json(message.parts), ensure_ascii=False)
