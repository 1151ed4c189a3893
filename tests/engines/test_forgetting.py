"""A deleted conversation leaves no KV cache: in no loaded model, and in no file at the end."""

from __future__ import annotations

import queue
import threading
from functools import partial
from pathlib import Path

import pytest

from engines.base import Engine
from engines.events import EngineEvent, EngineFailed, GenerationFinished
from engines.kv.owners import all_of, is_meant
from engines.kv.parking import CacheParking, ParkedCache
from engines.pool import EnginePool
from engines.registry import create_for, why_unavailable
from engines.scripted import Gate, ScriptedEngine
from engines.types import GenerationRequest, LoadRequest, SamplingParams

TEXT = "def add(a, b):\n    return a + b\n" * 10


def finished(pool: EnginePool, load: LoadRequest, key: str) -> GenerationFinished:
    events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
    greedy = SamplingParams(temperature=0)
    request = GenerationRequest((TEXT,), key, greedy, max_tokens=4)
    pool.get(load, lambda event: None).submit(request, events.put)
    while not isinstance(event := events.get(timeout=60), GenerationFinished):
        assert not isinstance(event, EngineFailed), event
    return event


def test_a_key_is_meant_by_itself_or_by_all_of_its_owner() -> None:
    assert is_meant("chat/coding", "chat/coding")
    assert is_meant("chat/coding", all_of("chat"))
    assert not is_meant("chat/coding", all_of("cha"))
    assert not is_meant("chat/coding", "chat")
    assert not is_meant("chat/coding", "chat/cod")


def test_parked_caches_of_an_owner_go_together() -> None:
    parking: CacheParking[str] = CacheParking(100)
    for key in ("chat/coding", "chat/terse", "other/coding"):
        parking.park(key, ParkedCache([1], key, 1))
    parking.forget(all_of("chat"))
    assert [key for key, _ in parking.newest_first()] == ["other/coding"]


@pytest.mark.model
@pytest.mark.parametrize("engine", ["mlx", "llama.cpp"])
def test_a_loaded_engine_does_not_write_it_again_at_the_end(engine: str, tmp_path: Path) -> None:
    if (reason := why_unavailable(engine)) is not None:
        pytest.skip(reason.message)
    folder = tmp_path / "kv"
    pool = EnginePool(10**9, partial(create_for, kv_folder=folder))
    target, draft = (
        LoadRequest(engine, f"demo:{model}", context_window_tokens=512)
        for model in ("target", "draft")
    )
    for key in ("deleted/coding", "deleted/terse", "kept/coding"):
        finished(pool, target, key)
    finished(pool, draft, "deleted/coding")
    pool.forget(all_of("deleted"))
    again = finished(pool, target, "deleted/coding")
    assert again.stats.cache_reuse is not None
    assert again.stats.cache_reuse.held_tokens == 0
    pool.forget(all_of("deleted"))
    assert pool.close(60)
    assert len(list(folder.iterdir())) == 1


def test_what_is_deleted_while_its_answer_is_written_goes_before_the_engine_does() -> None:
    gate, engines = Gate(), list[ScriptedEngine]()

    def create(request: LoadRequest) -> Engine:
        engines.append(Kept(["one two three"], gate))
        return engines[-1]

    pool = EnginePool(10**9, create)
    events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
    thread = pool.get(LoadRequest("scripted", "script"), lambda event: None)
    thread.submit(GenerationRequest(("hello",), "deleted/chat"), events.put)
    events.get(timeout=10)
    pool.forget(all_of("deleted"))
    closing = threading.Thread(target=pool.close, args=(30,))
    closing.start()
    gate.open(100)
    closing.join(30)
    (engine,) = engines
    assert isinstance(engine, Kept)
    assert engine.held_at_the_end == []


class Kept(ScriptedEngine):
    """Remembers what it would have written to disk."""

    held_at_the_end: list[str] | None = None

    def close(self) -> None:
        self.held_at_the_end = list(self._caches)
        super().close()
