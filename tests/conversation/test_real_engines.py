"""Conversations with the embedded models: nothing is prefilled twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from conversation.session import Session
from conversation.store import Store
from engines.kv.reuse import CacheSource
from engines.pool import EnginePool
from engines.registry import create_for, why_unavailable
from engines.stats import GenerationStats
from engines.types import SamplingParams
from profiles.schema import Profile

pytestmark = pytest.mark.model

GREEDY = Profile(
    "chat",
    "demo:target",
    system_prompt="You are a helpful assistant.",
    max_tokens=24,
    sampling=SamplingParams(temperature=0),
)


@pytest.fixture(params=["mlx", "llama.cpp"])
def profile(request: pytest.FixtureRequest) -> Profile:
    engine: str = request.param
    if (reason := why_unavailable(engine)) is not None:
        pytest.skip(reason.message)
    return replace(GREEDY, name=engine, engine=engine)


@pytest.fixture
def session(tmp_path: Path, profile: Profile) -> Iterator[Session]:
    store = Store(tmp_path / "llm-tui.db")
    pool = EnginePool(10**9)
    yield Session(store, pool, profile)
    assert pool.close(30)
    assert store.close(30)


def ask(session: Session, text: str) -> tuple[GenerationStats, int]:
    """The turn's figures, and the length of the sequence it ended with."""
    turn = session.send(text)
    assert turn.wait(60)
    assert turn.error is None
    assert turn.stats is not None
    assert turn.answer().text
    return turn.stats, turn.stats.prompt_tokens + turn.stats.generated_tokens


def test_a_turn_prefills_only_what_it_adds(session: Session) -> None:
    length = 0
    for text in ("Write a function add(a, b)", "Now multiply", "Thanks"):
        stats, new_length = ask(session, text)
        assert stats.cached_tokens >= length - 2
        assert stats.prompt_tokens - stats.cached_tokens < 40
        length = new_length


def test_switching_the_profile_and_back_finds_the_kv_cache(
    session: Session, profile: Profile
) -> None:
    ask(session, "Write a function add(a, b)")
    _, length = ask(session, "Now multiply")
    session.use_profile(replace(profile, name="terse", system_prompt="Be terse."))
    stats, _ = ask(session, "Now divide")
    assert stats.cached_tokens < 20
    session.use_profile(profile)
    stats, _ = ask(session, "Now subtract")
    assert stats.cached_tokens >= length - 2


def test_after_a_restart_nothing_is_prefilled_again(tmp_path: Path, profile: Profile) -> None:
    lengths: list[int] = []
    conversation_id = None
    for text in ("Write a function add(a, b)", "Now multiply", "Thanks"):
        store = Store(tmp_path / "llm-tui.db")
        pool = EnginePool(10**9, partial(create_for, kv_folder=tmp_path / "kv"))
        session = Session(store, pool, profile, conversation_id)
        conversation_id = session.conversation_id
        stats, length = ask(session, text)
        if lengths:
            assert stats.cached_tokens >= lengths[-1] - 2
            assert stats.cache_reuse is not None
            assert stats.cache_reuse.source is CacheSource.DISK
        assert stats.cache_note == ""
        lengths.append(length)
        assert pool.close(30)
        assert store.close(30)


def test_a_branch_prefills_only_what_is_new(session: Session) -> None:
    lengths = [ask(session, f"Write a function number_{turn}(a)")[1] for turn in range(5)]
    third = session.transcript.path()[4]
    turn = session.edit(third.id, "Write a class instead")
    assert turn.wait(60)
    assert turn.stats is not None
    assert turn.stats.cached_tokens >= lengths[1] - 2
    assert turn.stats.prompt_tokens - turn.stats.cached_tokens < 40
    assert turn.stats.cache_note == ""
