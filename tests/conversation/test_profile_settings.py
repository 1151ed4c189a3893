"""What a profile says reaches the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conversation.session import Session
from engines.scripted import CHAT_TEMPLATE
from engines.types import Constraint, ConstraintKind
from tests.conversation.desk import CHAT, Desk

EFFORT = "{%- if reasoning_effort %}<effort {{ reasoning_effort }}>{% endif -%}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "store.db")
    yield desk
    desk.close()


def ask(session: Session, text: str) -> None:
    assert session.send(text).wait(10)


def test_the_reasoning_effort_is_part_of_the_prompt_and_changes_it(desk: Desk) -> None:
    engine = desk.add_engine("Yes.", "Yes.", "Yes.", template=EFFORT + CHAT_TEMPLATE)
    session = desk.session(replace(CHAT, reasoning_effort="high"))
    ask(session, "one")
    session.use_profile(replace(CHAT, reasoning_effort="low"))
    ask(session, "two")
    prompts = ["".join(str(part) for part in request.prompt) for request in engine.requests]
    assert "<effort high>" in prompts[0]
    assert "<effort low>" in prompts[1]
    assert "<effort high>" not in prompts[1]


def test_the_constraint_is_part_of_every_request(desk: Desk) -> None:
    engine = desk.add_engine()
    constraint = Constraint(ConstraintKind.JSON_SCHEMA, "{}")
    ask(desk.session(replace(CHAT, constraint=constraint)), "one")
    assert engine.requests[0].constraint == constraint


def test_a_model_that_was_unloaded_is_loaded_again_by_the_next_question(desk: Desk) -> None:
    desk.add_engine("One.", "Two.")
    session = desk.session(replace(CHAT, keep_alive_s=0.01))
    turn = session.send("one")
    assert turn.wait(10)
    thread = session._engine._thread
    assert thread is not None
    thread._thread.join(10)
    assert session.engine_state == "closed"
    assert desk.pool.memory_bytes == 0
    session.use_profile(CHAT)
    turn = session.send("two")
    assert turn.wait(10)
    assert turn.error is None
    assert session.engine_state == "ready"
