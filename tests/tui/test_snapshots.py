"""How the app looks: dark, light and in the terminal's own colors, at two sizes."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.app_bench import AppBench, until
from tests.tui.model_bench import ModelBench
from tui.session_presenter import SessionPresenter

SIZES = ((80, 24), (120, 40))
THEMES = ("llm-tui-dark", "llm-tui-light", "ansi-dark")
NOW_S = 1_790_000_000.0
LATER_S = 4_000_000_000.0
"""A time of last use that reading a file does not move."""

Compare = Callable[..., bool]
Steps = Callable[[Pilot[Any]], Awaitable[None]]


class Clock:
    """Time that goes on by a hundredth of a second whenever somebody looks."""

    def __init__(self) -> None:
        self._ticks = count(1)

    def perf_counter(self) -> float:
        return next(self._ticks) / 100


@pytest.fixture(params=THEMES)
def themed(
    request: pytest.FixtureRequest, bench: AppBench, monkeypatch: pytest.MonkeyPatch
) -> AppBench:
    """A bench whose every figure is the same on each run."""

    def fixed_memory(presenter: SessionPresenter) -> None:
        presenter.figures = replace(
            presenter.figures, process_bytes=52_000_000, model_bytes=31_000_000
        )

    clock = Clock()
    for module in ("engines.generation", "conversation.turn"):
        own = SimpleNamespace(perf_counter=clock.perf_counter)
        monkeypatch.setattr(f"{module}.time", own)
    monkeypatch.setattr("tui.live_figures.time", SimpleNamespace(perf_counter=lambda: 2.0))
    monkeypatch.setattr("tui.screens.sessions.time", SimpleNamespace(time=lambda: NOW_S))
    monkeypatch.setattr(SessionPresenter, "_measure_memory", fixed_memory)
    bench.app.theme = request.param
    return bench


def _matches(compare: Compare, bench: AppBench, size: tuple[int, int], steps: Steps) -> bool:
    return compare(bench.app, terminal_size=size, run_before=steps)


@pytest.mark.parametrize("size", SIZES)
def test_empty(themed: AppBench, size: tuple[int, int], snap_compare: Compare) -> None:
    assert _matches(snap_compare, themed, size, themed.ready)


@pytest.mark.parametrize("size", SIZES)
def test_mid_answer(themed: AppBench, size: tuple[int, int], snap_compare: Compare) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await themed.ready(pilot)
        await pilot.press(*"Write a function that adds", "enter")
        await pilot.press(*"and one that multiplies", "enter")
        themed.gate.open(1)
        await until(pilot, lambda: "100 %" in themed.bar)
        themed.gate.open(14)
        await until(pilot, lambda: themed.pane.session.turns[0].generated_tokens == 14)
        await until(pilot, lambda: "def add" in themed.screen_text())
        themed.pane.presenter._next_figures_s = 0.0
        themed.pane.presenter.show_figures()
        await pilot.pause()

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_finished(themed: AppBench, size: tuple[int, int], snap_compare: Compare) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await themed.ready(pilot)
        themed.gate.open()
        await pilot.press(*"Write a function that adds", "enter")
        await themed.finished(pilot)

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_sessions(
    themed: AppBench,
    size: tuple[int, int],
    snap_compare: Compare,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from conversation.store_reads import ConversationSummary

    titles = (
        "Write a function that adds",
        "What is a monad?",
        "日本語 and a title that is " + "long " * 20,
    )
    ages_s = (30.0, 2500.0, 9000.0)
    summaries = [
        ConversationSummary(str(i), title, NOW_S - age_s, NOW_S - age_s, 2 * i + 2)
        for i, (title, age_s) in enumerate(zip(titles, ages_s, strict=True))
    ]

    async def steps(pilot: Pilot[Any]) -> None:
        await themed.ready(pilot)
        assert themed.app.services is not None
        store = themed.app.services.store
        monkeypatch.setattr(store, "list_conversations", lambda query: summaries)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "3 conversations" in themed.screen_text())

    assert _matches(snap_compare, themed, size, steps)


@pytest.fixture
def models(
    themed: AppBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModelBench]:
    """Models of every kind, one with a long name in Japanese, for an app that looks for them."""
    models = ModelBench(tmp_path / "home")
    monkeypatch.setenv("HOME", str(models.home))
    monkeypatch.setattr("tui.models.first_steps.why_unavailable", lambda engine: None)
    models.add_gguf("maker/Breeze-8B-GGUF/Breeze-8B-Q5_K_M")
    models.add_gguf("maker/Gale-32B-GGUF/Gale-32B-Q4_K_M", parameters=36e9)
    models.add_gguf("maker/Storm-90B-GGUF/Storm-90B-Q4_K_M", parameters=90e9)
    models.add_gguf("作者/日本語のとても長い名前の模型-12B-GGUF/m-Q4_K_M", parameters=12e9)
    models.add_broken("maker/Broken-1B-GGUF/Broken-1B-Q4_0")
    for age, path in enumerate(sorted(models.home.rglob("*.gguf"))):
        os.utime(path, (LATER_S - age, NOW_S))
    theme, themed.model_sources = themed.app.theme, models.sources
    themed.new_app().theme = theme
    yield models
    models.hub.is_over.set()  # a thread that waits keeps the others' pilots waiting


async def _open_models(themed: AppBench, pilot: Pilot[Any]) -> None:
    await themed.ready(pilot)
    await pilot.press("f4")
    await until(pilot, lambda: "to download" in themed.screen_text())


@pytest.mark.parametrize("size", SIZES)
def test_models(
    themed: AppBench, models: ModelBench, size: tuple[int, int], snap_compare: Compare
) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await _open_models(themed, pilot)

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_models_downloading(
    themed: AppBench, models: ModelBench, size: tuple[int, int], snap_compare: Compare
) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await _open_models(themed, pilot)
        await pilot.press(*"zephyr", "f5")
        await until(pilot, lambda: "34 % of 8.5 GB" in themed.screen_text())

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_models_delete(
    themed: AppBench, models: ModelBench, size: tuple[int, int], snap_compare: Compare
) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await _open_models(themed, pilot)
        await pilot.press("down", "f8")
        await until(pilot, lambda: "F8 again" in themed.screen_text())

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_models_none(
    themed: AppBench, models: ModelBench, size: tuple[int, int], snap_compare: Compare
) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await _open_models(themed, pilot)
        await pilot.press(*"qqq")
        await until(pilot, lambda: "Nothing found" in themed.screen_text())

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_first_steps(
    themed: AppBench,
    models: ModelBench,
    size: tuple[int, int],
    snap_compare: Compare,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.app.FIRST_STEPS_AFTER_S", 0.01)
    theme, themed.reads_profiles = themed.app.theme, True
    themed.new_app().theme = theme

    async def steps(pilot: Pilot[Any]) -> None:
        await themed.ready(pilot)
        await until(pilot, lambda: "F9" in themed.screen_text())

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_error(themed: AppBench, size: tuple[int, int], snap_compare: Compare) -> None:
    themed.options["chat"] = (("fail_after", "9"),)
    theme = themed.app.theme
    themed.new_app().theme = theme

    async def steps(pilot: Pilot[Any]) -> None:
        await themed.ready(pilot)
        themed.gate.open()
        await pilot.press(*"Write a function that adds", "enter")
        await themed.finished(pilot)

    assert _matches(snap_compare, themed, size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_help(themed: AppBench, size: tuple[int, int], snap_compare: Compare) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await themed.ready(pilot)
        await pilot.press("f1")

    assert _matches(snap_compare, themed, size, steps)
