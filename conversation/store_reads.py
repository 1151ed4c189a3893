"""The queries. Each function reads through a connection that the caller has to itself."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from conversation.answer_parts import part_of
from conversation.message import Message, MessageError, MessageStatus, Part
from conversation.part_json import parts_from_json
from conversation.prompt import TokenIds, TraceKey
from engines.events import TextKind
from engines.types import Role


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A line in the list of conversations. Times are seconds since the epoch."""

    id: str
    title: str
    created_at: float
    updated_at: float
    message_count: int


@dataclass(frozen=True, slots=True)
class InterruptedAnswer:
    """An answer whose process died before it was finished."""

    conversation_id: str
    title: str
    message_id: str
    created_at: float


def list_conversations(connection: sqlite3.Connection, query: str) -> list[ConversationSummary]:
    pattern = f"%{_escaped(query.casefold())}%"
    rows = connection.execute(
        "SELECT id, title, created_at, updated_at,"
        " (SELECT count(*) FROM messages WHERE conversation_id = c.id)"
        " FROM conversations AS c WHERE deleted_at IS NULL"
        " AND (casefold(title) LIKE :pattern ESCAPE '\\' OR EXISTS (SELECT 1 FROM messages"
        "  WHERE conversation_id = c.id AND search_text LIKE :pattern ESCAPE '\\'))"
        " ORDER BY updated_at DESC",
        {"pattern": pattern},
    )
    return [ConversationSummary(*row) for row in rows]


def last_profile(connection: sqlite3.Connection, conversation_id: str) -> str:
    row: tuple[str] | None = connection.execute(
        "SELECT profile FROM messages WHERE conversation_id = ? AND profile != ''"
        " ORDER BY number DESC LIMIT 1",
        (conversation_id,),
    ).fetchone()
    return row[0] if row else ""


def conversation(
    connection: sqlite3.Connection, conversation_id: str
) -> tuple[str, str | None] | None:
    """Title and leaf; None where there is none of that id."""
    row: tuple[str, str | None] | None = connection.execute(
        "SELECT title, leaf_id FROM conversations WHERE id = ?", (conversation_id,)
    ).fetchone()
    return row


def messages(connection: sqlite3.Connection, conversation_id: str) -> list[Message]:
    """All messages in the order they were made; a running answer with its chunks so far."""
    rows = connection.execute(
        "SELECT id, parent_id, role, parts, status, created_at, profile, model, stats, error"
        " FROM messages WHERE conversation_id = ? ORDER BY number",
        (conversation_id,),
    ).fetchall()
    return [
        replace(message, parts=chunk_parts(connection, message.id))
        if message.status is MessageStatus.RUNNING
        else message
        for message in map(_message, rows)
    ]


def chunk_parts(connection: sqlite3.Connection, message_id: str) -> tuple[Part, ...]:
    """The parts of an answer that is not finished."""
    runs: list[tuple[TextKind, list[str]]] = []
    rows = connection.execute(
        "SELECT kind, text FROM chunks WHERE message_id = ? ORDER BY number", (message_id,)
    )
    for kind, text in rows:
        if not runs or runs[-1][0] != kind:
            runs.append((TextKind(kind), []))
        runs[-1][1].append(text)
    return tuple(part_of(kind, "".join(texts)) for kind, texts in runs)


def traces(connection: sqlite3.Connection, conversation_id: str) -> dict[TraceKey, TokenIds]:
    rows = connection.execute(
        "SELECT message_id, fingerprint, is_opening, token_ids FROM traces"
        " WHERE message_id IN (SELECT id FROM messages WHERE conversation_id = ?)",
        (conversation_id,),
    )
    return {
        TraceKey(message_id, fingerprint, bool(is_opening)): tuple(array("i", blob))
        for message_id, fingerprint, is_opening, blob in rows
    }


def interrupted(connection: sqlite3.Connection) -> list[InterruptedAnswer]:
    rows = connection.execute(
        "SELECT c.id, c.title, m.id, m.created_at FROM messages AS m"
        " JOIN conversations AS c ON c.id = m.conversation_id"
        " WHERE m.status = 'interrupted' AND m.owner IS NOT NULL AND c.deleted_at IS NULL"
        " ORDER BY m.number DESC"
    )
    return [InterruptedAnswer(*row) for row in rows]


def _message(row: Sequence[Any]) -> Message:
    message_id, parent_id, role, parts, status, created_at, profile, model, stats, error = row
    return Message(
        id=message_id,
        parent_id=parent_id,
        role=Role(role),
        parts=parts_from_json(json.loads(parts)),
        status=MessageStatus(status),
        created_at=created_at,
        profile=profile,
        model=model,
        stats=json.loads(stats) if stats else None,
        error=MessageError(*json.loads(error)) if error else None,
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
