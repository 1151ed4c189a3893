"""The line that says why a turn read more than it is long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conversation.session import Session
from engines.kv.reuse import CacheLoss, CacheReuse, CacheSource
from tests.conversation.desk import CHAT, Desk

LONG = "word " * 60
TERSE = replace(CHAT, name="terse", system_prompt="Be terse.")


def note(session: Session, text: str = LONG) -> str:
    turn = session.send(text)
    assert turn.wait(10)
    assert turn.error is None
    assert turn.stats is not None
    return turn.stats.cache_note


def test_a_conversation_that_goes_on_needs_no_note(desk: Desk) -> None:
    session = desk.session()
    assert [note(session) for _ in range(4)] == [""] * 4
    assert session.transcript.path()[-1].stats is not None


def test_a_profiles_first_turn(desk: Desk) -> None:
    session = desk.session()
    note(session)
    session.use_profile(TERSE)
    assert note(session).endswith("tokens read again: this is the profile's first turn here")
    session.use_profile(CHAT)
    assert "turn 2 was answered with the profile terse" in note(session)
    assert note(session) == ""


def test_another_branch(desk: Desk) -> None:
    session = desk.session()
    for _ in range(3):
        note(session)
    second = session.transcript.path()[2]
    turn = session.edit(second.id, "Something else. " + LONG)
    assert turn.wait(10)
    assert turn.stats is not None
    assert turn.stats.cache_note == ""
    session.select(second.id)
    assert "goes another way from turn 2 on" in note(session)


def test_a_restart_without_caches_on_disk(desk: Desk) -> None:
    session = desk.session()
    note(session)
    conversation_id = session.conversation_id
    desk.restart()
    assert "its KV cache was not kept" in note(desk.session(CHAT, conversation_id))


def test_another_model_under_the_same_profile(desk: Desk) -> None:
    session = desk.session()
    note(session)
    session.use_profile(replace(CHAT, model="large", system_prompt="Be kind and brief."))
    assert "has changed" in note(session)


def test_the_history_no_longer_fits(desk: Desk) -> None:
    session = desk.session(replace(CHAT, context_window_tokens=512))
    notes = [note(session, LONG) for _ in range(8)]
    assert any("no longer fit" in each for each in notes)


def test_a_cache_that_was_evicted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = desk.add_engine()
    session = desk.session()
    note(session)
    engine._caches.clear()
    evicted = CacheReuse(0, 0, 0, CacheSource.NONE, CacheLoss.EVICTED)
    monkeypatch.setattr("engines.scripted.CacheReuse", lambda *_: evicted)
    assert "had to make room" in note(session)


def test_a_cache_that_cannot_go_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = desk.add_engine()
    session = desk.session()
    note(session)
    engine._caches.clear()
    kept = CacheReuse(300, 200, 0, CacheSource.NONE)
    monkeypatch.setattr("engines.scripted.CacheReuse", lambda *_: kept)
    assert "can only go back" in note(session)
