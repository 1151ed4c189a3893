"""The choices of the first start: shown beside the prompt, made by key or from the palette."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.app_bench import AppBench, until
from tests.tui.model_bench import ModelBench
from tui.options import AppOptions
from tui.screens.first_steps import FirstStepsScreen

SIZE = (100, 30)


@pytest.fixture
def models(
    bench: AppBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModelBench]:
    """An app that was never started before, on a machine without models."""
    monkeypatch.setattr("tui.app.FIRST_STEPS_AFTER_S", 0.01)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("tui.models.first_steps.why_unavailable", lambda engine: None)
    models = ModelBench(home)
    bench.model_sources = models.sources
    bench.reads_profiles = True
    bench.new_app()
    yield models
    models.hub.is_over.set()  # a thread that waits keeps the others' pilots waiting


def words(bench: AppBench) -> str:
    return " ".join(bench.screen_text().split())


def profile_files(bench: AppBench) -> dict[str, Any]:
    return {
        path.stem: tomllib.loads(path.read_text())
        for path in sorted(bench.paths.profiles.glob("*.toml"))
    }


async def offered(bench: AppBench, pilot: Pilot[Any]) -> None:
    await bench.ready(pilot)
    await until(pilot, lambda: "F7" in bench.screen_text())


async def test_three_choices_for_this_machine(bench: AppBench, models: ModelBench) -> None:
    models.add_gguf("maker/Breeze-8B-GGUF/Breeze-8B-Q4_K_M")
    models.add_gguf("maker/Storm-90B-GGUF/Storm-90B-Q4_K_M", parameters=90e9)
    models.add_gguf("maker/Puff-1B-GGUF/Puff-1B-Q4_K_M", parameters=1e9)
    async with bench.app.run_test(size=SIZE) as pilot:
        await offered(bench, pilot)
        text = words(bench)
        assert "For M4, 32 GB, when you like:" in text
        assert "F7 use what you have maker/Breeze-8B-GGUF:Q4_K_M, 4.5 GB, ~18 tok/s" in text
        assert "F8 download maker/Zephyr-9B-4bit, 5.1 GB, ~16 tok/s, Apache-2.0" in text
        assert "F9 stay on the demo model" in text


async def test_typing_at_once_goes_to_the_demo_model(bench: AppBench, models: ModelBench) -> None:
    models.may_find.clear()
    bench.gate.open()
    async with bench.app.run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await until(pilot, lambda: "Looking at this machine" in bench.screen_text())
        await pilot.press(*"123", "enter")
        await bench.finished(pilot)
        assert "def add" in bench.screen_text()
        models.may_find.set()
        await until(pilot, lambda: models.searches == 1)
        await pilot.press("f7", "f8", "f9")
        assert models.hub.asked == []
        assert not bench.paths.first_steps_done.exists()


async def test_what_is_here_is_written_into_every_profile_of_the_demo_model(
    bench: AppBench, models: ModelBench
) -> None:
    models.add_gguf("maker/Breeze-8B-GGUF/Breeze-8B-Q4_K_M")
    async with bench.app.run_test(size=SIZE) as pilot:
        await offered(bench, pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "Written to" in bench.screen_text())
        files = profile_files(bench)
        assert sorted(files) == ["chat", "coding", "long-doc", "reasoning"]
        model = bench.models.library.rows[0].reference
        assert {each["model"] for each in files.values()} == {model}
        await until(pilot, lambda: bench.pane.session.profile.model == model)
        assert bench.pane.session.profile.draft_model is None
    async with bench.new_app().run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await pilot.pause(0.1)
        assert "F7" not in bench.screen_text()


async def test_the_recommended_model_is_used_once_it_is_here(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await offered(bench, pilot)
        assert "no other model found" in bench.screen_text()
        await pilot.press("f8")
        await until(pilot, lambda: models.hub.started.is_set())
        await until(pilot, lambda: "34 % of 8.5 GB" in bench.screen_text(), rounds=1000)
        assert profile_files(bench) == {}
        assert bench.prompt.has_focus
        models.hub.is_open.set()
        await until(pilot, lambda: "Written to" in bench.screen_text())
        assert profile_files(bench)["chat"]["model"] == "maker/Zephyr-9B-4bit"


async def test_a_choice_that_is_not_there_says_so(bench: AppBench, models: ModelBench) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await offered(bench, pilot)
        await pilot.press("f7")
        assert "No other model found" in bench.notice
        assert "F8 download" in words(bench)


async def test_staying_on_the_demo_model_is_remembered(bench: AppBench, models: ModelBench) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await offered(bench, pilot)
        await pilot.press("f9")
        await until(pilot, lambda: "F9" not in bench.screen_text())
        assert "F4 shows every model" in bench.notice
        assert profile_files(bench) == {}
    async with bench.new_app().run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await pilot.pause(0.1)
        assert "F7" not in bench.screen_text()


async def test_nobody_is_asked_who_has_a_profile_or_names_a_model(
    bench: AppBench, models: ModelBench
) -> None:
    bench.app_options = AppOptions(profile="coding")
    async with bench.new_app().run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await pilot.pause(0.1)
        assert models.searches == 0
    bench.app_options = AppOptions()
    bench.paths.profiles.mkdir(parents=True)
    (bench.paths.profiles / "mine.toml").write_text('extends = "chat"\n')
    async with bench.new_app().run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await pilot.pause(0.1)
        assert models.searches == 0


async def test_later_from_the_palette(bench: AppBench, models: ModelBench) -> None:
    bench.paths.first_steps_done.parent.mkdir(parents=True)
    bench.paths.first_steps_done.touch()
    async with bench.app.run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await pilot.press("ctrl+p", *"first steps")
        await until(pilot, lambda: "A first model" in bench.screen_text())
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(bench.app.screen, FirstStepsScreen))
        await until(pilot, lambda: "2 download" in words(bench))
        assert "maker/Zephyr-9B-4bit, 5.1 GB, ~16 tok/s, Apache-2.0" in words(bench)
        await pilot.press("2")
        await until(pilot, lambda: models.hub.asked == ["maker/Zephyr-9B-4bit"])
