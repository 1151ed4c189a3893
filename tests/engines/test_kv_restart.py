"""The KV caches of both engines: across a restart, a switch and a branch, nothing is read twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engines.base import Engine
from engines.events import GenerationFinished, TextChunk
from engines.kv.reuse import CacheSource
from engines.registry import create_engine, why_unavailable
from engines.types import GenerationRequest, LoadRequest, PromptSegment, SamplingParams

pytestmark = pytest.mark.model

TEXT = "".join(f"def f{n}(a, b):\n    return a + b * {n}\n" for n in range(8))
OTHER = "".join(f"class C{n}:\n    pass\n" for n in range(8))
GREEDY = SamplingParams(temperature=0.0)
Open = Callable[..., Engine]


@pytest.fixture(params=["mlx", "llama.cpp"])
def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Loads the embedded target; every engine keeps its caches in the same folder."""
    name: str = request.param
    if (reason := why_unavailable(name)) is not None:
        pytest.skip(reason.message)
    opened: list[Engine] = []

    def load(folder: Path | None = tmp_path / "kv", **changes: object) -> Engine:
        engine = create_engine(name, folder)
        load_request = LoadRequest(name, "demo:target", context_window_tokens=1024)
        engine.load(replace(load_request, **changes), lambda _: None, lambda: False)  # type: ignore[arg-type]
        opened.append(engine)
        return engine

    yield load
    for engine in opened:
        engine.close()


def prompt(*segments: PromptSegment, key: str = "chat/coding") -> GenerationRequest:
    return GenerationRequest(segments, key, GREEDY, max_tokens=8)


def answer(engine: Engine, request: GenerationRequest) -> tuple[str, GenerationFinished]:
    events = list(engine.generate(request, lambda: False))
    finished = events[-1]
    assert isinstance(finished, GenerationFinished)
    return "".join(event.text for event in events if isinstance(event, TextChunk)), finished


def source(finished: GenerationFinished) -> CacheSource:
    assert finished.stats.cache_reuse is not None
    return finished.stats.cache_reuse.source


@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_a_restart_brings_the_cache_back(open_engine: Open, tmp_path: Path, kv_type: str) -> None:
    engine = open_engine(kv_type=kv_type)
    _, first = answer(engine, prompt(TEXT))
    engine.close()
    (file,) = (tmp_path / "kv").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    request = prompt(first.token_ids, "\nclass")
    engine = open_engine(kv_type=kv_type)
    text, back = answer(engine, request)
    assert back.stats.cached_tokens >= len(first.token_ids) - 1
    assert source(back) is CacheSource.DISK
    engine.close()
    fresh_text, fresh = answer(open_engine(None, kv_type=kv_type), request)
    assert fresh.stats.cached_tokens == 0
    if kv_type == "f16":  # a prompt is prefilled before the MLX engine quantizes its cache
        assert text == fresh_text


def test_a_draft_models_cache_comes_back_too(open_engine: Open, tmp_path: Path) -> None:
    engine = open_engine(draft_model="demo:draft")
    _, first = answer(engine, prompt(TEXT))
    engine.close()
    assert 1 <= len(list((tmp_path / "kv").iterdir())) <= 2
    request = prompt(first.token_ids, "\nclass")
    back_text, back = answer(open_engine(draft_model="demo:draft"), request)
    assert back.stats.cached_tokens >= len(first.token_ids) - 1
    assert back_text == answer(open_engine(None), request)[0]


def test_a_cache_is_kept_while_the_engine_rests(open_engine: Open, tmp_path: Path) -> None:
    engine = open_engine()
    answer(engine, prompt(TEXT))
    assert not (tmp_path / "kv").exists()
    engine.save_caches(lambda: True)
    assert not list((tmp_path / "kv").glob("*.kv"))
    engine.save_caches(lambda: False)
    (file,) = (tmp_path / "kv").iterdir()
    written = file.stat().st_mtime_ns, file.stat().st_ino
    engine.save_caches(lambda: False)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == written


def test_a_damaged_file_is_prefilled_anew(open_engine: Open, tmp_path: Path) -> None:
    engine = open_engine()
    expected, _ = answer(engine, prompt(TEXT))
    engine.close()
    (file,) = (tmp_path / "kv").iterdir()
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    engine = open_engine()
    text, again = answer(engine, prompt(TEXT))
    assert again.stats.cached_tokens == 0
    assert source(again) is CacheSource.NONE
    assert text == expected
    assert not list((tmp_path / "kv").iterdir())


def test_a_cache_of_another_type_is_left_alone(open_engine: Open, tmp_path: Path) -> None:
    engine = open_engine()
    answer(engine, prompt(TEXT))
    engine.close()
    engine = open_engine(kv_type="q8_0")
    assert answer(engine, prompt(TEXT))[1].stats.cached_tokens == 0
    engine.close()
    assert len(list((tmp_path / "kv").iterdir())) == 2


def test_what_is_forgotten_is_not_on_disk(open_engine: Open, tmp_path: Path) -> None:
    engine = open_engine()
    answer(engine, prompt(TEXT))
    engine.save_caches(lambda: False)
    engine.forget("chat/coding")
    engine.close()
    assert not list((tmp_path / "kv").iterdir())


def test_switching_away_and_back_prefills_nothing_of_the_first(open_engine: Open) -> None:
    engine = open_engine(None)
    _, first = answer(engine, prompt(TEXT))
    answer(engine, prompt(OTHER, key="chat/terse"))
    _, back = answer(engine, prompt(first.token_ids, "\nclass"))
    assert back.stats.cached_tokens >= len(first.token_ids) - 1
    reuse = back.stats.cache_reuse
    assert reuse is not None
    assert reuse.source is CacheSource.MEMORY
    assert reuse.held_tokens == reuse.matching_tokens == reuse.reused_tokens


def test_a_branch_from_turn_five_of_ten_prefills_only_what_is_new(open_engine: Open) -> None:
    engine = open_engine(None)
    ids: tuple[int, ...] = ()
    lengths = []
    for turn in range(10):
        _, finished = answer(engine, prompt(ids, f"\ndef turn{turn}(x):\n"))
        assert finished.stats.cached_tokens >= len(ids) - 1
        ids = finished.token_ids
        lengths.append(len(ids))
    for key in ("chat/coding", "another/coding"):
        branch = prompt(ids[: lengths[4]], "\nclass Branch:\n", key=key)
        _, cut = answer(engine, branch)
        assert cut.stats.cached_tokens >= lengths[4]
        reuse = cut.stats.cache_reuse
        assert reuse is not None
        if key == "chat/coding":
            assert lengths[4] <= reuse.matching_tokens < reuse.held_tokens


def test_it_says_where_a_prompt_differs(open_engine: Open) -> None:
    engine = open_engine(None)
    _, first = answer(engine, prompt(TEXT))
    (shared,) = engine.count_tokens([TEXT])
    _, edited = answer(engine, prompt(first.token_ids[: shared // 2], OTHER))
    reuse = edited.stats.cache_reuse
    assert reuse is not None
    assert reuse.held_tokens > reuse.matching_tokens
    assert shared // 2 <= reuse.matching_tokens <= shared // 2 + 3
