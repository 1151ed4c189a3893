"""What a turn says where its KV cache is really gone: evicted, damaged, of another model file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from conversation.session import Session
from conversation.store import Store
from engines.demo import demo_model_path
from engines.kv.reuse import CacheSource
from engines.pool import EnginePool
from engines.registry import create_for, why_unavailable
from engines.stats import GenerationStats
from engines.types import SamplingParams
from profiles.schema import Profile

pytestmark = pytest.mark.model

LONG = "Write a function add(a, b) that adds two numbers, and explain every line of it in words. "
PARKING = {
    "mlx": "engines.mlx.engine._PARKING_BYTES",
    "llama.cpp": "engines.llama_cpp.loading._PARKING_BYTES_MAX",
}


class Desk:
    """Sessions of one profile on one store; `restart` is the program's next start."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self.folder = folder
        self.profile = profile
        self.kv_folder: Path | None = folder / "kv"
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder / "llm-tui.db")
        self.pool = EnginePool(10**9, partial(create_for, kv_folder=self.kv_folder))

    def close(self) -> None:
        assert self.pool.close(60)
        assert self.store.close(60)

    def restart(self) -> None:
        self.close()
        self.open()

    def ask(self, session: Session) -> GenerationStats:
        turn = session.send(LONG * 2)
        assert turn.wait(120)
        assert turn.error is None
        assert turn.stats is not None
        return turn.stats

    def session(self, conversation_id: str | None = None) -> Session:
        return Session(self.store, self.pool, self.profile, conversation_id)

    @property
    def cache_file(self) -> Path:
        assert self.kv_folder is not None
        (file,) = self.kv_folder.iterdir()
        return file


@pytest.fixture(params=["mlx", "llama.cpp"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if (reason := why_unavailable(name)) is not None:
        pytest.skip(reason.message)
    return name


@pytest.fixture
def desk(tmp_path: Path, engine: str) -> Iterator[Desk]:
    model = tmp_path / "model.gguf"
    shutil.copy(demo_model_path("demo:draft") or "", model)
    profile = Profile(
        "chat",
        str(model),
        engine=engine,
        max_tokens=4,
        context_window_tokens=1024,
        sampling=SamplingParams(temperature=0),
    )
    desk = Desk(tmp_path, profile)
    yield desk
    desk.close()


def test_a_cache_that_made_room_for_others(
    desk: Desk, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PARKING[engine], 1)
    desk.kv_folder = None
    desk.restart()
    first = desk.session()
    assert desk.ask(first).cache_note == ""
    for _ in range(2):  # the one used last always stays
        desk.ask(replaced(desk))
    assert "its KV cache had to make room for others" in desk.ask(first).cache_note
    assert desk.ask(first).cache_note == ""


def replaced(desk: Desk) -> Session:
    """A conversation that shares nothing with the others but the template."""
    session = desk.session()
    session.profile = replace(desk.profile, system_prompt=f"Be {session.conversation_id}.")
    return session


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def alter(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-100] ^= 1
    file.write_bytes(raw)


@pytest.mark.parametrize("damage", [cut, alter])
def test_a_damaged_file_is_read_anew_and_told(desk: Desk, damage: Callable[[Path], None]) -> None:
    session = desk.session()
    desk.ask(session)
    desk.close()
    damage(desk.cache_file)
    desk.open()
    stats = desk.ask(desk.session(session.conversation_id))
    assert stats.cached_tokens == 0
    assert "its KV cache on disk was damaged" in stats.cache_note


def test_a_model_file_that_changed(desk: Desk) -> None:
    session = desk.session()
    desk.ask(session)
    desk.close()
    model = Path(desk.profile.model)
    raw = bytearray(model.read_bytes())
    raw[-1] ^= 1
    model.write_bytes(raw)
    desk.open()
    stats = desk.ask(desk.session(session.conversation_id))
    assert stats.cached_tokens == 0
    assert "made with another build of the model" in stats.cache_note


def test_an_untouched_file_needs_no_word(desk: Desk) -> None:
    session = desk.session()
    desk.ask(session)
    desk.restart()
    stats = desk.ask(desk.session(session.conversation_id))
    assert stats.cache_note == ""
    assert stats.cache_reuse is not None
    assert stats.cache_reuse.source is CacheSource.DISK
