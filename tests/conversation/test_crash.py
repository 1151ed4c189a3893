"""What is left after `kill -9`, and what other instances see meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from conversation.message import MessageStatus
from conversation.store import Store
from engines.types import Role
from tests.conversation.answering_program import ANSWER
from tests.conversation.desk import Desk

ROOT = Path(__file__).parents[2]


@contextmanager
def answering(path: Path) -> Iterator[subprocess.Popen[str]]:
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.conversation.answering_program", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate(timeout=10)


def lines(program: subprocess.Popen[str]) -> Iterator[dict[str, str | float]]:
    assert program.stdout is not None
    return (json.loads(line) for line in program.stdout if line.endswith("\n"))


@pytest.mark.parametrize("pieces", [500, 700])
def test_after_kill_9_all_is_there_up_to_half_a_second_before(tmp_path: Path, pieces: int) -> None:
    path = tmp_path / "llm-tui.db"
    with answering(path) as program:
        output = lines(program)
        conversation_id = str(next(output)["id"])
        arrived = list(islice(output, pieces))
        program.send_signal(signal.SIGKILL)
        killed_s = time.monotonic()
        arrived += output
        program.wait(10)
    store = Store(path)
    question, answer = store.load(conversation_id).transcript.path()
    assert question.text == "Count, please"
    assert answer.status is MessageStatus.INTERRUPTED
    must_be_there = "".join(
        str(line["text"]) for line in arrived if float(line["at_s"]) < killed_s - 0.5
    )
    assert len(must_be_there) > 1000
    assert answer.text.startswith(must_be_there)
    assert ANSWER.startswith(answer.text)
    assert [i.conversation_id for i in store.interrupted()] == [conversation_id]
    store.dismiss_interrupted()
    assert store.interrupted() == []
    assert store.notices == []
    store.close()


def test_a_running_answer_of_a_live_instance_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "llm-tui.db"
    with answering(path) as program:
        output = lines(program)
        conversation_id = str(next(output)["id"])
        list(islice(output, 300))
        other = Store(path)
        answer = other.load(conversation_id).transcript.path()[-1]
        assert answer.status is MessageStatus.RUNNING
        assert ANSWER.startswith(answer.text)
        assert other.interrupted() == []
        other.close()
    later = Store(path)
    assert later.load(conversation_id).transcript.path()[-1].status is MessageStatus.INTERRUPTED
    later.close()


def test_several_instances_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "llm-tui.db"
    with answering(path) as first, answering(path) as second, answering(path) as third:
        programs = [lines(program) for program in (first, second, third)]
        ids = [str(next(output)["id"]) for output in programs]
        for output in programs:
            list(islice(output, 300))
        watching = Store(path)
        assert {c.id for c in watching.list_conversations()} == set(ids)
        watching.close()
    store = Store(path)
    for conversation_id in ids:
        answer = store.load(conversation_id).transcript.path()[-1]
        assert ANSWER.startswith(answer.text)
        assert answer.text
    assert [i.conversation_id for i in store.interrupted()] == list(
        dict.fromkeys(i.conversation_id for i in store.interrupted())
    )
    assert {i.conversation_id for i in store.interrupted()} == set(ids)
    store.close()


@pytest.fixture
def interrupted_id(desk: Desk) -> str:
    """A conversation of the desk whose answer another process left unfinished."""
    with answering(desk.path) as program:
        output = lines(program)
        conversation_id = str(next(output)["id"])
        list(islice(output, 300))
    desk.restart()
    return conversation_id


def test_an_interrupted_conversation_goes_on(desk: Desk, interrupted_id: str) -> None:
    engine = desk.add_engine("Done.")
    session = desk.session(conversation_id=interrupted_id)
    cut_off = session.transcript.path()[-1]
    turn = session.send("Go on")
    assert turn.wait(10)
    assert [m.role for m in session.transcript.path()] == [Role.USER, Role.ASSISTANT] * 2
    assert cut_off.text
    assert cut_off.text in str(engine.requests[0].prompt[0])
