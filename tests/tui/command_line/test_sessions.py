from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from conversation.message import ReasoningPart, TextPart, new_message
from conversation.store import Store
from engines.types import Role
from tui.paths import app_paths

Run = Callable[..., Result]

IDS = ("aaaa1111", "aaaa2222", "bbbb3333")


@pytest.fixture
def saved(home: Path) -> tuple[str, ...]:
    """Three saved conversations of a question and an answer each."""
    store = Store(app_paths().database)
    for conversation_id in IDS:
        question = new_message(Role.USER, (TextPart(f"Question {conversation_id}"),))
        parts = (ReasoningPart("Hm."), TextPart("Some **text** \x1b[31mred"))
        answer = new_message(Role.ASSISTANT, parts, question.id, profile="chat")
        store.writer.save_messages(conversation_id, f"Title {conversation_id}", (question, answer))
    store.close()
    return IDS


def listed(run: Run) -> set[str]:
    return {item["id"] for item in json.loads(run("sessions", "list", "--json").stdout)}


def test_list_shows_every_session(run: Run, saved: tuple[str, ...]) -> None:
    lines = run("sessions", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "LAST", "USED", "MESSAGES", "TITLE"]
    assert {line.split()[0] for line in lines[1:]} == set(saved)
    assert all(line.endswith(f"2         Title {line.split()[0]}") for line in lines[1:])


def test_list_searches(run: Run, saved: tuple[str, ...]) -> None:
    [found] = json.loads(run("sessions", "list", "question BBBB", "--json").stdout)
    assert found["id"] == "bbbb3333"


def test_an_empty_list_prints_nothing(run: Run) -> None:
    assert run("sessions", "list").stdout == ""
    assert json.loads(run("sessions", "list", "--json").stdout) == []


def test_show_prints_markdown(run: Run, saved: tuple[str, ...]) -> None:
    text = run("sessions", "show", "bbbb").stdout
    assert text.startswith("# Title bbbb3333\n\n## You\n")
    assert "\n\nQuestion bbbb3333\n\n## chat\n" in text
    assert "Some **text**" in text


def test_show_prints_json(run: Run, saved: tuple[str, ...]) -> None:
    value = json.loads(run("sessions", "show", "bbbb", "--json").stdout)
    assert (value["id"], value["title"]) == ("bbbb3333", "Title bbbb3333")
    assert [message["role"] for message in value["messages"]] == ["user", "assistant"]
    kinds = [part["kind"] for part in value["messages"][1]["parts"]]
    assert kinds == ["reasoning", "text"]


def test_a_beginning_must_fit_one_session(run: Run, saved: tuple[str, ...]) -> None:
    for prefix, words in (("aaaa", "2 sessions"), ("cccc", "no session"), ("", "3 sessions")):
        result = run("sessions", "show", prefix)
        assert (result.exit_code, result.stdout) == (1, "")
        assert words in result.stderr


def test_export_writes_a_file_and_replaces_none(
    run: Run, saved: tuple[str, ...], tmp_path: Path
) -> None:
    target = tmp_path / "chat.md"
    assert run("sessions", "export", "bbbb", "-o", target).exit_code == 0
    assert target.read_text().startswith("# Title bbbb3333")
    again = run("sessions", "export", "aaaa1", "-o", target)
    assert again.exit_code == 1
    assert "exists" in again.stderr
    assert target.read_text().startswith("# Title bbbb3333")
    assert run("sessions", "export", "aaaa1", "-o", target, "--json", "--force").exit_code == 0
    assert json.loads(target.read_text())["id"] == "aaaa1111"


def test_export_changes_no_character(run: Run, saved: tuple[str, ...]) -> None:
    assert "Some **text** \x1b[31mred" in run("sessions", "export", "bbbb").stdout


def test_export_to_a_missing_folder_is_told(
    run: Run, saved: tuple[str, ...], tmp_path: Path
) -> None:
    result = run("sessions", "export", "bbbb", "-o", tmp_path / "none" / "chat.md")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_delete_asks(run: Run, saved: tuple[str, ...]) -> None:
    refused = run("sessions", "delete", "bbbb", stdin="n\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert listed(run) == set(saved)
    assert run("sessions", "delete", "bbbb", stdin="y\n").exit_code == 0
    assert listed(run) == {"aaaa1111", "aaaa2222"}


def test_delete_takes_several_and_needs_no_answer_with_yes(
    run: Run, saved: tuple[str, ...]
) -> None:
    result = run("sessions", "delete", "aaaa1", "bbbb", "--yes", "--json")
    assert json.loads(result.stdout) == {"deleted": ["aaaa1111", "bbbb3333"]}
    assert listed(run) == {"aaaa2222"}


def test_delete_touches_nothing_when_one_id_is_wrong(run: Run, saved: tuple[str, ...]) -> None:
    assert run("sessions", "delete", "bbbb", "cccc", "--yes").exit_code == 1
    assert listed(run) == set(saved)
