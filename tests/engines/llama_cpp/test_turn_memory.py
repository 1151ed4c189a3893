"""What makes room when a turn of another conversation begins on a machine that is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.events import GenerationFinished
from engines.kv.reuse import CacheLoss, CacheReuse, CacheSource
from engines.llama_cpp.devices import FreeMemory
from engines.llama_cpp.engine import LlamaCppEngine
from engines.stats import GenerationStats
from engines.types import GenerationRequest, LoadRequest, SamplingParams

pytestmark = pytest.mark.model

PROMPTS = {name: f"def {name}(a, b):\n    return a\n" * 12 for name in ("one", "two", "three")}


class Machine:
    """An engine on a machine whose free memory is set by hand."""

    def __init__(self, kv_folder: Path | None = None) -> None:
        self.free_bytes = 2**33
        self.engine = LlamaCppEngine(kv_folder, lambda: FreeMemory(self.free_bytes))
        request = LoadRequest("llama.cpp", "demo:draft", context_window_tokens=1024)
        self.info = self.engine.load(request, lambda report: None, lambda: False)

    def ask(self, key: str) -> GenerationStats:
        greedy = SamplingParams(temperature=0)
        request = GenerationRequest((PROMPTS[key],), key, greedy, max_tokens=4)
        finished = list(self.engine.generate(request, lambda: False))[-1]
        assert isinstance(finished, GenerationFinished)
        return finished.stats

    def reuse(self, key: str) -> CacheReuse:
        reuse = self.ask(key).cache_reuse
        assert reuse is not None
        return reuse

    @property
    def parked_bytes(self) -> int:
        return self.engine.loaded.cache.parked_bytes


@pytest.fixture
def start() -> Iterator[Callable[..., Machine]]:
    machines: list[Machine] = []

    def begin(kv_folder: Path | None = None) -> Machine:
        machines.append(Machine(kv_folder))
        return machines[-1]

    yield begin
    for machine in machines:
        machine.engine.close()


def test_with_room_every_conversation_stays_in_memory(start: Callable[..., Machine]) -> None:
    machine = start()
    assert [machine.ask(key).memory_note for key in PROMPTS] == ["", "", ""]
    assert machine.reuse("one").source is CacheSource.MEMORY


def test_parked_caches_make_room_for_the_next(start: Callable[..., Machine]) -> None:
    machine = start()
    machine.ask("one")
    machine.ask("two")
    live_bytes = machine.engine.loaded.cache.switch_bytes("three")
    assert live_bytes >= machine.info.kv_bytes_per_token * 12
    machine.free_bytes = live_bytes - 1
    stats = machine.ask("three")
    assert "KV caches of other conversations made room" in stats.memory_note
    machine.free_bytes = 2**33
    again = machine.reuse("one")
    assert (again.held_tokens, again.loss) == (0, CacheLoss.EVICTED)
    assert machine.reuse("two").source is CacheSource.MEMORY


def test_where_nothing_can_be_copied_the_last_one_is_given_up(
    start: Callable[..., Machine],
) -> None:
    machine = start()
    machine.ask("one")
    machine.free_bytes = 0
    assert "were given up" in machine.ask("two").memory_note
    assert machine.parked_bytes == 0
    assert machine.reuse("one").loss is CacheLoss.EVICTED


def test_what_was_given_up_comes_back_from_disk(
    start: Callable[..., Machine], tmp_path: Path
) -> None:
    machine = start(tmp_path / "kv")
    machine.ask("one")
    machine.engine.save_caches(lambda: False)
    machine.free_bytes = 0
    machine.ask("two")
    back = machine.reuse("one")
    assert back.source is CacheSource.DISK
    (prompt_tokens,) = machine.engine.count_tokens([PROMPTS["one"]])
    assert back.matching_tokens == prompt_tokens


def test_the_next_turn_of_the_same_conversation_needs_no_room(
    start: Callable[..., Machine],
) -> None:
    machine = start()
    machine.ask("one")
    machine.ask("two")
    parked_bytes = machine.parked_bytes
    machine.free_bytes = 0
    assert machine.ask("two").memory_note == ""
    assert machine.parked_bytes == parked_bytes
