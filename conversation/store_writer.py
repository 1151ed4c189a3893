"""Writes to the database on a thread of its own, so that nobody waits for a disk.

    writer.save_messages(...)  writer.append_text(...)  writer.finish_answer(...)   return at once
    writer.flush(timeout_s) -> bool
    writer.close(timeout_s) -> bool

Chunks of a running answer are committed together, at most `COMMIT_INTERVAL_S` after the first of
them arrived; everything else at once. What cannot be written (disk full, file read-only) stays in
memory and is tried again every `RETRY_INTERVAL_S`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from conversation import store_writes
from conversation.message import Message
from conversation.prompt import TokenIds, TraceKey
from conversation.store_file import connect
from engines.events import TextKind

COMMIT_INTERVAL_S = 0.2
RETRY_INTERVAL_S = 1.0

Write = Callable[[sqlite3.Connection], None]
log = logging.getLogger(__name__)


class StoreWriter:
    """The one writer of this process.

    Args:
        path: The database; it exists and is up to date.
        report: Takes notices for the user, one sentence each, on the writer's thread.
        prepare: Called with each new connection.
    """

    def __init__(
        self,
        path: Path,
        report: Callable[[str], None],
        prepare: Callable[[sqlite3.Connection], None] = lambda connection: None,
    ) -> None:
        self._path = path
        self._report = report
        self._prepare = prepare
        self._connection: sqlite3.Connection | None = None
        self._changed = threading.Condition()
        self._pending: list[Write] = []
        self._due_s: float | None = None
        self._text: tuple[str, TextKind, list[str]] | None = None
        self._given = 0
        self._written = 0
        self._is_failing = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def save_messages(self, conversation_id: str, title: str, messages: Sequence[Message]) -> None:
        self.put(
            partial(
                store_writes.save_messages,
                conversation_id=conversation_id,
                title=title,
                messages=messages,
            )
        )

    def append_text(self, message_id: str, kind: TextKind, text: str) -> None:
        """Add to a running answer; joined with what is still waiting for the same one."""
        with self._changed:
            if self._text is not None and self._text[:2] == (message_id, kind):
                self._text[2].append(text)
                return
            texts = [text]
            self._text = (message_id, kind, texts)
            write = partial(store_writes.append_text, message_id=message_id, kind=kind, texts=texts)
            self._add(write, COMMIT_INTERVAL_S)

    def finish_answer(self, message: Message, traces: Mapping[TraceKey, TokenIds]) -> None:
        self.put(partial(store_writes.finish_answer, message=message, traces=traces))

    def select_branch(self, conversation_id: str, leaf_id: str) -> None:
        self.put(
            partial(store_writes.select_branch, conversation_id=conversation_id, leaf_id=leaf_id)
        )

    def put(self, write: Write) -> None:
        """Write in the next transaction, which begins at once."""
        with self._changed:
            self._text = None
            self._add(write, 0.0)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was given so far is on disk.

        False if it is not in time, and at once while nothing can be written.
        """
        with self._changed:
            wanted = self._given
            self._due_s = 0.0 if self._pending else self._due_s
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._written >= wanted or self._is_failing, timeout_s)
            return self._written >= wanted

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left and end the thread; False if something could not be written."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and self._written == self._given

    def _add(self, write: Write, delay_s: float) -> None:
        self._pending.append(write)
        self._given += 1
        due_s = time.monotonic() + delay_s
        self._due_s = due_s if self._due_s is None else min(self._due_s, due_s)
        self._changed.notify_all()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            batch = self._next_batch()
            is_written = self._write(batch)
            with self._changed:
                if not is_written:
                    self._pending[:0] = batch
                    self._due_s = time.monotonic() + RETRY_INTERVAL_S
                is_last = self._is_closing and not (is_written and self._pending)
        if self._connection is not None:
            self._connection.close()

    def _next_batch(self) -> list[Write]:
        with self._changed:
            while not self._is_closing:
                wait_s = None if self._due_s is None else self._due_s - time.monotonic()
                if wait_s is not None and wait_s <= 0:
                    break
                self._changed.wait(wait_s)
            batch, self._pending = self._pending, []
            self._due_s = self._text = None
            return batch

    def _write(self, batch: list[Write]) -> bool:
        """One transaction for all; False when it has to be tried again."""
        if not batch:
            return True
        try:
            try:
                self._commit(batch)
            except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
                self._commit_one_by_one(batch)
        except (OSError, sqlite3.Error) as error:
            self._note_failure(error)
            return False
        self._note_success(len(batch))
        return True

    def _commit(self, batch: Sequence[Write]) -> None:
        if self._connection is None:
            self._connection = connect(self._path)
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._prepare(self._connection)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for write in batch:
                write(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _commit_one_by_one(self, batch: Sequence[Write]) -> None:
        """A write that contradicts the database (its conversation is gone) must not stop others."""
        for write in batch:
            try:
                self._commit([write])
            except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
                log.exception("a change could not be saved and is left out")

    def _note_failure(self, error: Exception) -> None:
        if not self._is_failing:
            log.warning("cannot write to %s", self._path, exc_info=error)
            self._report(
                f"The conversation cannot be saved now ({error}); it is kept in memory and saved"
                " as soon as that works again."
            )
        with self._changed:
            self._is_failing = True
            self._changed.notify_all()

    def _note_success(self, count: int) -> None:
        if self._is_failing:
            self._report("The conversation is saved again.")
        with self._changed:
            self._is_failing = False
            self._written += count
            self._changed.notify_all()
