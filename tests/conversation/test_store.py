from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from conversation import store_writes
from conversation.errors import ConversationNotFound, StoreTooNew
from conversation.message import (
    AttachmentPart,
    Message,
    MessageError,
    MessageStatus,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    new_message,
)
from conversation.process_identity import is_alive, own_identity
from conversation.prompt import TraceKey
from conversation.schema import MIGRATIONS, migrate
from conversation.store import KEEP_DELETED_S, Store
from conversation.store_writer import StoreWriter
from engines.events import TextKind
from engines.types import Role


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "llm-tui.db"


def add(store: Store, conversation_id: str, text: str, title: str = "Title") -> Message:
    message = new_message(Role.USER, [TextPart(text)])
    store.writer.save_messages(conversation_id, title, [message])
    return message


def running_answer(store: Store, conversation_id: str) -> Message:
    answer = new_message(Role.ASSISTANT, status=MessageStatus.RUNNING)
    store.writer.save_messages(conversation_id, "Title", [answer])
    return answer


def titles(store: Store, query: str = "") -> list[str]:
    return [summary.title for summary in store.list_conversations(query)]


def test_messages_come_back_as_they_were(path: Path) -> None:
    store = Store(path)
    question = new_message(
        Role.USER, [AttachmentPart("a.py", "x = 1", 5), TextPart('Grüße "du" \N{GRINNING FACE}')]
    )
    answer = Message(
        "answer", question.id, Role.ASSISTANT, (), MessageStatus.RUNNING, 5.5, "chat", ""
    )
    store.writer.save_messages("c", "Title", [question, answer])
    done = Message(
        "answer",
        question.id,
        Role.ASSISTANT,
        (
            ReasoningPart("hm"),
            TextPart("yes"),
            ToolCallPart("read", "{}", "call_0"),
            ToolResultPart("read", "x = 1", "call_0"),
        ),
        MessageStatus.FAILED,
        5.5,
        "chat",
        "model",
        {"prompt_tokens": 3, "ttft_s": None},
        MessageError("It broke.", "Try again."),
    )
    key = TraceKey("answer", "fingerprint", True)
    store.writer.finish_answer(done, {key: (1, 2, 250_000)})
    assert store.close()
    again = Store(path)
    stored = again.load("c")
    assert stored.transcript.messages() == [question, done]
    assert stored.traces == {key: (1, 2, 250_000)}
    assert stored.title == "Title"
    again.close()


def test_chunks_reach_the_disk_without_being_asked_for(path: Path) -> None:
    store, other = Store(path), Store(path)
    answer = running_answer(store, "c")
    store.writer.flush()
    for kind, text in [
        (TextKind.REASONING, "let me "),
        (TextKind.REASONING, "see"),
        (TextKind.ANSWER, "yes"),
    ]:
        store.writer.append_text(answer.id, kind, text)
    given_s = time.monotonic()
    while not (parts := other.load("c").transcript.get(answer.id).parts):
        assert time.monotonic() < given_s + 10
    assert parts == (ReasoningPart("let me see"), TextPart("yes"))
    store.close()
    other.close()


def test_the_list_is_searched_by_title_and_text(path: Path) -> None:
    store = Store(path)
    add(store, "1", "How do I sort a LIST?", "Sorting")
    add(store, "2", "100% of snake_case", "Percent")
    add(store, "3", "Äpfel und Birnen", "Obst")
    assert titles(store) == ["Obst", "Percent", "Sorting"]
    assert titles(store, "list") == ["Sorting"]
    assert titles(store, "SORTING") == ["Sorting"]
    assert titles(store, "äPFEL") == ["Obst"]
    assert titles(store, "0%") == ["Percent"]
    assert titles(store, "e_c") == ["Percent"]
    assert titles(store, "%") == ["Percent"]
    assert titles(store, "\\") == []
    store.close()


def test_the_last_used_conversation_comes_first(path: Path) -> None:
    store = Store(path)
    add(store, "1", "x", "Old")
    add(store, "2", "x", "New")
    assert titles(store) == ["New", "Old"]
    add(store, "1", "y")
    assert titles(store) == ["Old", "New"]
    assert store.list_conversations()[0].message_count == 2
    store.close()


def test_a_deleted_conversation_can_be_brought_back(path: Path) -> None:
    store = Store(path)
    message = add(store, "1", "x")
    store.delete("1")
    assert titles(store) == []
    store.close()
    store = Store(path)
    store.restore("1")
    assert titles(store) == ["Title"]
    assert store.load("1").transcript.path() == [message]
    store.rename("1", "  Better ")
    assert titles(store) == ["Better"]
    store.close()


def test_deleted_conversations_are_purged_a_week_later(path: Path) -> None:
    store = Store(path)
    add(store, "1", "x")
    add(store, "2", "x")
    for conversation_id, age_s in (("1", KEEP_DELETED_S + 60), ("2", KEEP_DELETED_S - 60)):
        store.writer.put(
            partial(
                store_writes.set_deleted,
                conversation_id=conversation_id,
                deleted_at=time.time() - age_s,
            )
        )
    store.close()
    store = Store(path)
    with pytest.raises(ConversationNotFound):
        store.load("1")
    assert len(store.load("2").transcript) == 1
    store.close()


def damage_the_beginning(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 1000)


def damage_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : len(content) - 4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_the_beginning, damage_the_middle])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    path: Path, damage: Callable[[Path], None]
) -> None:
    store = Store(path)
    for number in range(50):
        add(store, str(number), "text " * 200)
    store.close()
    damage(path)
    damaged = path.read_bytes()
    Path(f"{path}-wal").write_bytes(b"left behind")
    store = Store(path)
    (notice,) = store.drain_notices()
    kept = [file for file in path.parent.iterdir() if "damaged" in file.name]
    assert [file.read_bytes() for file in kept if file.suffix == ".db"] == [damaged]
    assert str(next(file for file in kept if file.suffix == ".db")) in notice
    assert store.drain_notices() == []
    add(store, "new", "works")
    assert titles(store) == ["Title"]
    store.close()


def test_a_newer_file_is_refused_and_left_alone(path: Path) -> None:
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="newer llm-tui"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    connection.execute("INSERT INTO conversations VALUES ('c', 'Old one', 'm', 1.0, 2.0, NULL)")
    connection.execute(
        "INSERT INTO messages VALUES (1, 'm', 'c', NULL, 'user', 'complete',"
        """ '[{"kind": "text", "text": "hello"}]', 'hello', 1.0, '', '', NULL, NULL, NULL)"""
    )
    connection.close()
    store = Store(path)
    assert [message.text for message in store.load("c").transcript.path()] == ["hello"]
    answer = running_answer(store, "c")
    key = TraceKey(answer.id, "f", False)
    store.writer.finish_answer(answer, {key: (1,)})
    assert store.load("c").traces == {key: (1,)}
    store.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*MIGRATIONS, ("CREATE TABLE extra (id)", "not a statement")))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "extra" not in tables
    assert "traces" not in tables
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_a_path_that_cannot_be_used_is_told_and_the_session_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = Store(tmp_path / "file" / "llm-tui.db")
    (notice,) = store.notices
    assert "cannot be saved" in notice
    assert store.is_temporary
    add(store, "c", "works")
    assert titles(store) == ["Title"]
    store.close()
    assert not store.path.exists()


class Disk:
    """Stands between a writer and its file: full or read-only as long as the test wants."""

    def __init__(self, path: Path) -> None:
        self.notices: list[str] = []
        self.connection: sqlite3.Connection | None = None
        self.writer = StoreWriter(path, self.notices.append, self._prepare)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self.connection = connection


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"),
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    ],
    ids=["full", "read-only"],
)
def test_what_cannot_be_written_is_kept_and_written_later(
    path: Path, spoil: str, mend: str
) -> None:
    store = Store(path)
    answer = running_answer(store, "c")
    assert store.writer.flush()
    disk = Disk(path)
    disk.writer.append_text(answer.id, TextKind.ANSWER, "one ")
    assert disk.writer.flush()
    assert disk.connection is not None
    disk.connection.execute(spoil)
    disk.writer.append_text(answer.id, TextKind.ANSWER, "two " * 5000)
    assert not disk.writer.flush(10)
    disk.writer.append_text(answer.id, TextKind.ANSWER, "three")
    assert len(disk.notices) == 1
    assert "kept in memory" in disk.notices[0]
    disk.connection.execute(mend)
    assert disk.writer.close(10)
    assert disk.notices[1:] == ["The conversation is saved again."]
    text = store.load("c").transcript.get(answer.id).text
    assert text == "one " + "two " * 5000 + "three"
    store.close()


def test_a_change_that_contradicts_the_file_does_not_stop_others(path: Path) -> None:
    store = Store(path)
    store.writer.append_text("no such message", TextKind.ANSWER, "lost")
    add(store, "c", "kept")
    assert store.writer.flush()
    assert titles(store) == ["Title"]
    assert store.close()


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    store = Store(path)
    add(store, "c", "private")
    store.writer.flush()
    assert {file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {0}
    store.close()


def test_a_process_is_known_by_its_start_as_well_as_its_id() -> None:
    pid, _, start = own_identity().partition("@")
    assert is_alive(own_identity())
    assert not is_alive(f"{pid}@{float(start) - 100}")
    assert not is_alive(f"{2**22 + 1}@{start}")
    assert not is_alive("")
