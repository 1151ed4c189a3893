"""A model that nobody asks is unloaded after its time."""

from __future__ import annotations

import queue
import threading

from engines.base import Engine
from engines.events import EngineEvent, GenerationFinished
from engines.pool import EnginePool
from engines.scripted import ScriptedEngine
from engines.thread import EngineState, EngineThread
from engines.types import GenerationRequest, LoadRequest

LOAD = LoadRequest("scripted", "script")
PROMPT = GenerationRequest(("hello there",), "chat")


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Noted(ScriptedEngine):
    """Says when it is closed."""

    def __init__(self) -> None:
        super().__init__(["fine"])
        self.closed = threading.Event()

    def memory_bytes(self) -> int:
        return 100

    def close(self) -> None:
        super().close()
        self.closed.set()


def answer(thread: EngineThread) -> None:
    events: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
    thread.submit(PROMPT, events.put)
    while not isinstance(events.get(timeout=10), GenerationFinished):
        pass


def test_an_idle_model_is_unloaded_after_its_time_and_not_before() -> None:
    clock, engine = Clock(), Noted()
    thread = EngineThread(lambda: engine, LOAD, lambda event: None, 0.25, clock)
    answer(thread)
    clock.now_s += 0.2
    answer(thread)  # it looked many times since, and the clock stood still
    assert not engine.closed.is_set()
    clock.now_s += 0.5
    assert engine.closed.wait(10)
    assert thread.state is EngineState.CLOSED
    assert thread.close(10)
    assert thread.memory_bytes == 0


def test_asking_for_the_model_begins_its_time_anew() -> None:
    clock, engine = Clock(), Noted()
    thread = EngineThread(lambda: engine, LOAD, lambda event: None, 10, clock)
    answer(thread)
    clock.now_s += 9
    assert thread.keep(0.25)
    clock.now_s += 0.5
    answer(thread)
    clock.now_s += 0.5
    assert engine.closed.wait(10)
    assert not thread.keep(10)
    assert thread.close(10)


def test_the_pool_loads_it_again_once_the_old_one_has_given_its_memory_back() -> None:
    story: list[str] = []
    engines: list[Noted] = []

    class Told(Noted):
        def close(self) -> None:
            story.append("closed")
            super().close()

    def create(request: LoadRequest) -> Engine:
        story.append("created")
        engines.append(Told())
        return engines[-1]

    pool = EnginePool(10**9, create)
    first = pool.get(LOAD, lambda event: None, 0.01)
    answer(first)
    assert engines[0].closed.wait(10)
    second = pool.get(LOAD, lambda event: None)
    answer(second)
    assert second is not first
    assert story == ["created", "closed", "created"]
    assert pool.memory_bytes == 100
    assert pool.close(10)
