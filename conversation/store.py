"""Conversations on disk: one SQLite file, shared by all running instances.

    Store(path)                                       opens, repairs, never fails for a damaged file
    store.list_conversations(query="") -> list[ConversationSummary]      newest first
    store.load(conversation_id) -> StoredConversation
    store.rename(id, title)   store.delete(id)   store.restore(id)
    store.interrupted() -> list[InterruptedAnswer]    answers a crash cut off, newest first
    store.dismiss_interrupted()                       they have been offered
    store.drain_notices() -> list[str]                sentences for the user
    store.writer                                      the StoreWriter
    store.close() -> bool

A deleted conversation is hidden, and purged when a store is opened a week later.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from conversation import store_reads, store_writes
from conversation.errors import ConversationNotFound, StoreError
from conversation.prompt import TokenIds, TraceKey
from conversation.store_file import is_corrupt, open_database
from conversation.store_reads import ConversationSummary, InterruptedAnswer
from conversation.store_recovery import mark_interrupted
from conversation.store_writer import StoreWriter
from conversation.transcript import Transcript

KEEP_DELETED_S = 7 * 24 * 3600.0
_READ_AFTER_WRITE_S = 1.0

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class StoredConversation:
    id: str
    title: str
    transcript: Transcript
    traces: dict[TraceKey, TokenIds]


class Store:
    """The database at `path`; `conversation.store_file.open_database` says how it is opened.

    Raises:
        StoreTooNew: a newer version of this program wrote the file; it is left alone.
    """

    def __init__(self, path: Path) -> None:
        opened = open_database(path)
        self.path = opened.path
        self.is_temporary = opened.is_temporary
        self._notices: deque[str] = deque(opened.notices)
        self._connection = opened.connection
        self._connection.create_function("casefold", 1, _casefold, deterministic=True)
        self._lock = threading.Lock()
        self._recover()
        self.writer = StoreWriter(self.path, self._notices.append)
        self.writer.put(
            partial(store_writes.purge_deleted, deleted_before=time.time() - KEEP_DELETED_S)
        )

    def list_conversations(self, query: str = "") -> list[ConversationSummary]:
        """Conversations whose title or text contains `query`, the last used first."""
        return self._read(partial(store_reads.list_conversations, query=query))

    def load(self, conversation_id: str) -> StoredConversation:
        """A conversation with all its branches.

        Raises:
            ConversationNotFound: there is none of that id.
        """
        head = self._read(partial(store_reads.conversation, conversation_id=conversation_id))
        if head is None:
            raise ConversationNotFound(
                f"There is no conversation {conversation_id}.", "See: llm-tui sessions list"
            )
        title, leaf_id = head
        messages = self._read(partial(store_reads.messages, conversation_id=conversation_id))
        traces = self._read(partial(store_reads.traces, conversation_id=conversation_id))
        return StoredConversation(conversation_id, title, Transcript(messages, leaf_id), traces)

    def last_profile(self, conversation_id: str) -> str:
        """Name of the profile that answered last; empty where none did."""
        return self._read(partial(store_reads.last_profile, conversation_id=conversation_id))

    def rename(self, conversation_id: str, title: str) -> None:
        self._write(
            partial(store_writes.rename, conversation_id=conversation_id, title=title.strip())
        )

    def delete(self, conversation_id: str) -> None:
        """Hide a conversation; `restore` brings it back."""
        self._write(
            partial(
                store_writes.set_deleted, conversation_id=conversation_id, deleted_at=time.time()
            )
        )

    def restore(self, conversation_id: str) -> None:
        self._write(
            partial(store_writes.set_deleted, conversation_id=conversation_id, deleted_at=None)
        )

    def interrupted(self) -> list[InterruptedAnswer]:
        """Answers that were cut off when their process died and have not been dismissed."""
        return self._read(store_reads.interrupted)

    def dismiss_interrupted(self) -> None:
        self._write(store_writes.dismiss_interrupted)

    @property
    def notices(self) -> list[str]:
        """What the user has not been told yet."""
        return list(self._notices)

    def drain_notices(self) -> list[str]:
        """The notices since the last call."""
        notices: list[str] = []
        while self._notices:
            notices.append(self._notices.popleft())
        return notices

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left; False if that was not possible."""
        is_saved = self.writer.close(timeout_s)
        with self._lock:
            self._connection.close()
        if self.is_temporary:
            shutil.rmtree(self.path.parent, ignore_errors=True)
        return is_saved

    def _recover(self) -> None:
        try:
            mark_interrupted(self._connection)
        except sqlite3.OperationalError as error:
            self._notices.append(f"The saved conversations cannot be changed now ({error}).")

    def _read(self, read: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        self.writer.flush(_READ_AFTER_WRITE_S)
        try:
            with self._lock:
                return read(self._connection)
        except sqlite3.Error as error:
            hint = (
                "Start llm-tui again: it sets a damaged file aside and begins a new one."
                if is_corrupt(error)
                else "Try again in a moment."
            )
            raise StoreError(f"The saved conversations cannot be read: {error}", hint) from error

    def _write(self, write: Callable[[sqlite3.Connection], None]) -> None:
        self.writer.put(write)
        self.writer.flush(_READ_AFTER_WRITE_S)


def _casefold(text: str) -> str:
    return text.casefold()
