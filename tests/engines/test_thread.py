from __future__ import annotations

import queue
import sys
import threading

import pytest

from engines.base import Cancelled, Engine
from engines.errors import EngineUnavailable
from engines.events import (
    EngineEvent,
    EngineFailed,
    FinishReason,
    GenerationFinished,
    ModelLoaded,
    TextChunk,
    TokensCounted,
)
from engines.pool import EnginePool
from engines.scripted import Gate, ScriptedEngine
from engines.thread import EngineState, EngineThread
from engines.types import CountTokensRequest, GenerationRequest, LoadRequest

LOAD = LoadRequest("scripted", "script")
PROMPT = GenerationRequest(("hello there",), "chat")


class Events:
    """A sink that a test can wait on."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()

    def __call__(self, event: EngineEvent) -> None:
        self.queue.put(event)

    def until(self, *kinds: type) -> EngineEvent:
        while not isinstance(event := self.queue.get(timeout=10), kinds):
            pass
        return event


def test_work_submitted_while_loading_waits_for_the_model() -> None:
    may_load = threading.Event()

    def create() -> Engine:
        may_load.wait(10)
        return ScriptedEngine(["one two"])

    loads, events = Events(), Events()
    thread = EngineThread(create, LOAD, loads)
    thread.submit(PROMPT, events)
    assert thread.state == "loading"
    may_load.set()
    assert isinstance(loads.until(ModelLoaded, EngineFailed), ModelLoaded)
    assert isinstance(events.until(GenerationFinished), GenerationFinished)
    assert thread.close()
    assert thread.state == "closed"


def test_a_failed_load_answers_every_request_with_its_reason() -> None:
    def create() -> Engine:
        raise EngineUnavailable("No such luck.", "Install luck.")

    loads, events = Events(), Events()
    thread = EngineThread(create, LOAD, loads)
    failed = loads.until(EngineFailed)
    thread.submit(PROMPT, events)
    assert failed == events.until(EngineFailed)
    assert isinstance(failed, EngineFailed)
    assert (failed.kind, failed.hint) == ("EngineUnavailable", "Install luck.")
    assert thread.close()


def test_cancel_ends_a_decode_and_reports_it() -> None:
    gate = Gate(tokens=3)
    events = Events()
    thread = EngineThread(lambda: ScriptedEngine(["a b c d e f"], gate), LOAD, Events())
    job = thread.submit(PROMPT, events)
    events.until(TextChunk)
    job.cancel()
    finished = events.until(GenerationFinished)
    assert isinstance(finished, GenerationFinished)
    assert finished.reason is FinishReason.CANCELLED
    assert finished.stats.generated_tokens < 6
    assert thread.close()


def test_an_unexpected_error_is_reported_and_the_engine_goes_on() -> None:
    class Clumsy(ScriptedEngine):
        def count_tokens(self, texts: object) -> list[int]:
            raise ZeroDivisionError("oops")

    events = Events()
    thread = EngineThread(lambda: Clumsy(["fine"]), LOAD, Events())
    thread.submit(CountTokensRequest(("x",)), events)
    failed = events.until(EngineFailed)
    assert isinstance(failed, EngineFailed)
    assert "oops" in failed.message
    thread.submit(PROMPT, events)
    assert isinstance(events.until(GenerationFinished, EngineFailed), GenerationFinished)
    assert thread.close()


def test_the_interpreter_switches_threads_faster_only_while_a_turn_runs() -> None:
    before = sys.getswitchinterval()
    gate, events = Gate(tokens=2), Events()
    thread = EngineThread(lambda: ScriptedEngine(["a b c"], gate), LOAD, Events())
    thread.submit(PROMPT, events)
    events.until(TextChunk)
    assert sys.getswitchinterval() < before
    gate.open()
    events.until(GenerationFinished)
    thread.submit(CountTokensRequest(("x",)), events)
    events.until(TokensCounted)
    assert sys.getswitchinterval() == pytest.approx(before)
    assert thread.close()


def test_the_pool_shares_a_model_and_closes_idle_ones_over_budget() -> None:
    made: list[LoadRequest] = []

    class Heavy(ScriptedEngine):
        def memory_bytes(self) -> int:
            return 100

    def create(request: LoadRequest) -> Engine:
        made.append(request)
        return Heavy()

    pool = EnginePool(memory_budget_bytes=150, create=create)
    other, third = (LoadRequest("scripted", name) for name in ("other", "third"))
    threads = {}
    for request in (LOAD, other, LOAD, third):
        loads = Events()
        known = len(made)
        threads[request.model] = pool.get(request, loads)
        if len(made) > known or threads[request.model].state is EngineState.LOADING:
            loads.until(ModelLoaded)
    assert [request.model for request in made] == ["script", "other", "third"]
    assert threads["other"].state is EngineState.CLOSED  # "script" was asked for again since
    assert threads["script"].state is EngineState.READY
    assert threads["third"].state is EngineState.READY
    assert pool.close()


def test_an_idle_thread_keeps_the_caches_and_gives_way_to_a_request() -> None:
    begun, given_way = threading.Event(), threading.Event()

    class Keeping(ScriptedEngine):
        def save_caches(self, gives_way: Cancelled) -> None:
            begun.set()
            while not gives_way():
                threading.Event().wait(0.001)
            given_way.set()

    events = Events()
    thread = EngineThread(lambda: Keeping(["fine"]), LOAD, Events())
    thread.submit(PROMPT, events)
    events.until(GenerationFinished)
    assert begun.wait(10)
    assert not given_way.is_set()
    thread.submit(PROMPT, events)
    events.until(GenerationFinished)
    assert given_way.is_set()
    assert thread.close()


def test_caches_that_cannot_be_kept_disturb_nobody() -> None:
    tried = threading.Event()

    class Failing(ScriptedEngine):
        def save_caches(self, gives_way: Cancelled) -> None:
            tried.set()
            raise OSError("the disk is gone")

    events = Events()
    thread = EngineThread(lambda: Failing(["fine"]), LOAD, Events())
    thread.submit(PROMPT, events)
    events.until(GenerationFinished)
    assert tried.wait(10)
    thread.submit(PROMPT, events)
    events.until(GenerationFinished)
    assert thread.close()
