"""Caches that cannot be cut anywhere: recurrent layers and sliding windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engines.events import GenerationFinished
from engines.kv.reuse import CacheSource
from engines.mlx.engine import MLXEngine
from engines.types import GenerationRequest, LoadRequest, PromptSegment, SamplingParams
from tests.engines.mlx.test_engine import RECURRENT, SLIDING

pytestmark = pytest.mark.model

Open = Callable[[], MLXEngine]
OPENING = "def add(a, b):\n    return a + b\n\n\ndef multiply(a, b):\n"


@pytest.fixture(params=[SLIDING, RECURRENT], ids=["sliding", "recurrent"])
def open_engine(
    request: pytest.FixtureRequest, mlx_folder: Callable[..., Path], tmp_path: Path
) -> Iterator[Open]:
    """A tiny random model; every engine keeps its caches in the same folder."""
    model = mlx_folder(**request.param)
    opened: list[MLXEngine] = []

    def load() -> MLXEngine:
        engine = MLXEngine(kv_folder=tmp_path / "kv")
        engine.load(LoadRequest("mlx", str(model)), lambda _: None, lambda: False)
        opened.append(engine)
        return engine

    yield load
    for engine in opened:
        engine.close()


def turns(engine: MLXEngine, count: int) -> list[tuple[int, ...]]:
    """The sequence after each of `count` turns."""
    sequences: list[tuple[int, ...]] = []
    ids: tuple[int, ...] = ()
    for number in range(count):
        text = OPENING if not number else f"\ndef f{number}(x):\n"
        ids = answer(engine, (ids, text)).token_ids
        sequences.append(ids)
    return sequences


def answer(
    engine: MLXEngine, prompt: Sequence[PromptSegment], key: str = "chat/coding"
) -> GenerationFinished:
    request = GenerationRequest(
        tuple(prompt), key, SamplingParams(temperature=0.0), max_tokens=12, use_draft=False
    )
    finished: Any = list(engine.generate(request, lambda: False))[-1]
    assert isinstance(finished, GenerationFinished)
    return finished


def test_a_branch_goes_back_to_the_end_of_a_turn(open_engine: Open) -> None:
    engine = open_engine()
    sequences = turns(engine, 5)
    prompt = (sequences[1], "\nclass Branch:\n")
    branch = answer(engine, prompt)
    assert branch.stats.cached_tokens == len(sequences[1])
    engine.forget("chat/coding")
    fresh = answer(engine, prompt)
    assert fresh.stats.cached_tokens == 0
    assert fresh.token_ids == branch.token_ids


def test_a_branch_in_another_conversation_leaves_the_first_as_it_is(open_engine: Open) -> None:
    engine = open_engine()
    sequences = turns(engine, 4)
    branch = answer(engine, (sequences[1], "\nclass Branch:\n"), key="other/coding")
    assert branch.stats.cached_tokens == len(sequences[1])
    assert branch.stats.cache_reuse is not None
    assert branch.stats.cache_reuse.source is CacheSource.OTHER
    going_on = answer(engine, (sequences[-1], "\ndef last(x):\n"))
    assert going_on.stats.cached_tokens == len(sequences[-1])
    for key in ("chat/coding", "other/coding"):
        engine.forget(key)
    assert answer(engine, (sequences[-1], "\ndef last(x):\n")).token_ids == going_on.token_ids


def test_a_restart_brings_the_cache_and_its_last_marks_back(open_engine: Open) -> None:
    engine = open_engine()
    sequences = turns(engine, 3)
    engine.close()
    engine = open_engine()
    again = answer(engine, (sequences[1], "\ndef f2(x):\n"))
    assert again.stats.cached_tokens == again.stats.prompt_tokens - 1
    assert again.token_ids == sequences[2]
    going_on = answer(engine, (sequences[2], "\ndef last(x):\n"))
    assert going_on.stats.cached_tokens == len(sequences[2])
    engine.forget("chat/coding")
    assert answer(engine, (sequences[2], "\ndef last(x):\n")).token_ids == going_on.token_ids
