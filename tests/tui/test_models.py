"""The model picker: finding, judging, using, downloading and removing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from engines.errors import DownloadError
from engines.speed import MeasuredSpeed
from tests.engines.model_files.model_store import gguf_bytes, write_ollama
from tests.tui.app_bench import AppBench, until
from tests.tui.model_bench import ModelBench
from tui.model_folders import WrongConfig
from tui.screens.models import ModelsScreen

SIZE = (120, 40)
NARROW = (80, 24)


@pytest.fixture
def models(
    bench: AppBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModelBench]:
    """Two models beside the embedded ones, and a bench whose app sees them."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    models = ModelBench(home)
    models.add_gguf("maker/Breeze-8B-GGUF/Breeze-8B-Q4_K_M")
    models.add_gguf("maker/Storm-90B-GGUF/Storm-90B-Q4_K_M", parameters=90e9)
    bench.model_sources = models.sources
    bench.new_app()
    yield models
    models.hub.is_over.set()  # a thread that waits keeps the others' pilots waiting


async def open_models(bench: AppBench, pilot: Pilot[Any]) -> OptionList:
    """The picker, once everything in it is judged."""
    await bench.ready(pilot)
    await pilot.press("f4")
    await until(pilot, lambda: isinstance(bench.app.screen, ModelsScreen))
    await until(pilot, lambda: " here" in subtitle(bench))
    return bench.app.screen.query_one(OptionList)


def subtitle(bench: AppBench) -> str:
    return str(bench.app.screen.query_one("Vertical").border_subtitle or "")


def details(bench: AppBench) -> str:
    return " ".join(str(bench.app.screen.query_one("#details", Static).content).split())


def lines(bench: AppBench) -> list[str]:
    options = bench.app.screen.query_one(OptionList)
    return [str(options.get_option_at_index(n).prompt) for n in range(options.option_count)]


def background(bench: AppBench) -> str:
    text: str = bench.pane.query_one("ActivityLine").background
    return text


async def test_rows_say_what_fits_and_how_fast_it_will_be(
    bench: AppBench, models: ModelBench
) -> None:
    models.add_broken("maker/Broken-1B-GGUF/Broken-1B-Q4_0")
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        named = [line for line in lines(bench) if "maker/" in line and "GGUF" in line]
        breeze, storm, broken = named
        assert "Q4_K_M" in breeze and "LM Studio" in breeze and "4.5 GB" in breeze
        assert "fits" in breeze and "~18 tok/s" in breeze and "llama.cpp" in breeze
        assert " no " in storm
        assert " broken " in broken
        assert "Q4_K_M: +3.3 % perplexity, 4.5 GB, ~18 tok/s here" in details(bench)
        assert "licence: apache-2.0" in details(bench)
        assert "~/.lmstudio/models/maker/Breeze-8B-GGUF/Breeze-8B-Q4_K_M.gguf" in details(bench)


async def test_recommended_models_are_offered_with_their_size_and_licence(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"zephyr-9b")
        await until(pilot, lambda: "maker/Zephyr-9B" in details(bench))
        assert "download" in lines(bench)[0]
        assert "Recommended here for daily chat, coding." in details(bench)
        assert "licence: Apache-2.0" in details(bench)


async def test_a_model_that_is_here_is_not_offered_for_download(
    bench: AppBench, models: ModelBench
) -> None:
    models.add_mlx("maker/Zephyr-9B-4bit")
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        named = [line for line in lines(bench) if "Zephyr-9B-4bit" in line]
        assert len(named) == 1
        assert "download" not in named[0]


async def test_a_measured_speed_takes_the_place_of_the_predicted_one(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        reference = bench.models.library.rows[0].reference
        models.measured = {reference: MeasuredSpeed(31.0)}
        await pilot.press("f4")
        await open_models(bench, pilot)
        assert "  31 tok/s" in lines(bench)[0]
        assert "(measured)" in details(bench)


async def test_the_screen_is_there_before_the_search_is_done(
    bench: AppBench, models: ModelBench
) -> None:
    models.may_find.clear()
    async with bench.app.run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await pilot.press("f4", *"bre")
        await until(pilot, lambda: "Looking for models…" in bench.screen_text())
        assert bench.app.screen.query_one(Input).value == "bre"
        models.may_find.set()
        await until(pilot, lambda: "Breeze" in bench.screen_text())


async def test_search_takes_every_letter_and_leaves_some_out(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        options = await open_models(bench, pilot)
        await pilot.press(*"brz lm")
        await until(pilot, lambda: options.option_count == 1)
        assert "Breeze" in lines(bench)[0]
        await pilot.press(*["backspace"] * 6, *"ducd")
        assert bench.app.screen.query_one(Input).value == "ducd"
        await until(pilot, lambda: "Nothing found." in bench.screen_text())
        assert models.hub.asked == []


async def test_enter_uses_the_model_in_this_conversation(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        reference = bench.models.library.rows[0].reference
        await pilot.press("enter")
        await until(pilot, lambda: bench.pane.session.profile.model == reference)
        assert bench.pane.session.profile.name == "chat"
        assert "Breeze" in bench.notice
        assert not bench.paths.profiles.exists()
        bench.gate.open()
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        await pilot.press("f2", "shift+f2")
        await until(pilot, lambda: bench.pane.session.profile.model == reference)
        await pilot.press("f4")
        await until(pilot, lambda: "●" in bench.screen_text())
        assert next(line for line in lines(bench) if line.startswith("●")).count("Breeze") == 1


async def test_f2_writes_the_model_into_the_profile(bench: AppBench, models: ModelBench) -> None:
    path = bench.paths.profiles / "mine.toml"
    path.parent.mkdir(parents=True)
    path.write_text('# mine\nengine = "scripted"\nmodel = "mine.md"\ndraft = "small.md"\n')
    bench.paths.config_file.write_text('start_profile = "mine"\n')
    bench.reads_profiles = True
    bench.new_app()
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        reference = bench.models.library.rows[0].reference
        await pilot.press("f2")
        await until(pilot, lambda: "Written to" in bench.screen_text())
        written = path.read_text()
        assert tomllib.loads(written) == {"engine": "auto", "model": reference}
        assert written.startswith("# mine\n")
        assert "mine.toml" in bench.screen_text()
        await until(pilot, lambda: bench.pane.session.profile.model == reference)


async def test_a_built_in_profile_gets_a_file_of_the_users(
    bench: AppBench, models: ModelBench
) -> None:
    bench.reads_profiles = True
    bench.new_app()
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        reference = bench.models.library.rows[0].reference
        await pilot.press("f2")
        await until(pilot, lambda: "Written to" in bench.screen_text())
        written = tomllib.loads((bench.paths.profiles / "chat.toml").read_text())
        assert written == {"extends": "chat", "model": reference, "engine": "auto"}


async def test_a_model_chosen_here_stays_when_a_profile_changes(
    bench: AppBench, models: ModelBench
) -> None:
    bench.reads_profiles = True
    bench.new_app()
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        reference = bench.models.library.rows[0].reference
        await pilot.press("enter")
        await until(pilot, lambda: bench.pane.session.profile.model == reference)
        bench.paths.profiles.mkdir(parents=True)
        (bench.paths.profiles / "chat.toml").write_text('extends = "chat"\nmax_tokens = 7\n')
        assert bench.app.profile_updates is not None
        bench.app.profile_updates.take_over()
        await until(pilot, lambda: bench.pane.session.profile.max_tokens == 7)
        assert bench.pane.session.profile.model == reference


async def test_enter_on_a_model_that_is_not_here_says_how_to_get_it(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"zephyr-2b", "enter")
        await until(pilot, lambda: "not here yet · F5 downloads" in subtitle(bench))
        assert models.hub.asked == []


async def test_a_download_goes_on_when_the_picker_is_closed(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"zephyr-9b", "f5")
        await until(pilot, lambda: "34 % of 8.5 GB" in lines(bench)[0])
        assert "12.1 MB/s" in lines(bench)[0] and "8 min left" in lines(bench)[0]
        await pilot.press("escape")
        await until(pilot, lambda: "34 %" in background(bench))
        assert "34 % of 8.5 GB" in bench.screen_text()
        models.hub.is_open.set()
        await until(pilot, lambda: "is here. F4 and Enter use it." in bench.screen_text())
        assert background(bench) == ""
        assert bench.models._timer is None


async def test_what_was_downloaded_can_be_used_at_once(bench: AppBench, models: ModelBench) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"zephyr-9b", "f5")
        await until(pilot, lambda: "34 %" in lines(bench)[0])
        models.add_mlx(models.hub.asked[0])
        models.hub.is_open.set()
        await until(pilot, lambda: "It is here" in subtitle(bench))
        await until(pilot, lambda: "Hugging Face" in lines(bench)[0])
        await pilot.press("enter")
        await until(pilot, lambda: bench.pane.session.profile.model == models.hub.asked[0])


async def test_a_download_can_be_stopped_and_goes_on_later(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"zephyr-9b", "f5")
        await until(pilot, lambda: "34 %" in lines(bench)[0])
        await pilot.press("f6")
        await until(pilot, lambda: "stopped at 34 %" in lines(bench)[0])
        assert "F5 goes on from there" in details(bench)
        await pilot.press("f5")
        await until(pilot, lambda: len(models.hub.asked) == 2)
        await until(pilot, lambda: "MB/s" in lines(bench)[0])


async def test_a_failed_download_is_one_sentence_in_the_picker_and_the_conversation(
    bench: AppBench, models: ModelBench
) -> None:
    models.hub.error = DownloadError("The hub cannot be reached.", "Look at the network.")
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"zephyr-9b", "f5")
        await until(pilot, lambda: "failed" in lines(bench)[0])
        assert "The hub cannot be reached. Look at the network." in details(bench)
        assert "models here" in subtitle(bench)
        await pilot.press("escape")
        await until(pilot, lambda: "The hub cannot be reached." in bench.screen_text())


async def test_any_repository_can_be_named(bench: AppBench, models: ModelBench) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"some/Thing-GGUF:Q5_K_M")
        await until(pilot, lambda: "some/Thing-GGUF:Q5_K_M" in details(bench))
        await pilot.press("f5")
        await until(pilot, lambda: models.hub.asked == ["some/Thing-GGUF:Q5_K_M"])


async def test_a_format_that_does_not_run_here_is_not_downloaded(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"some/Thing-GPTQ")
        await until(pilot, lambda: "Cannot be used." in details(bench))
        await pilot.press("f5")
        assert models.hub.asked == []


async def test_f8_asks_before_it_moves_a_model_to_the_trash(
    bench: AppBench, models: ModelBench
) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"breeze", "f8")
        await until(pilot, lambda: "F8 again does it, Esc does not." in details(bench))
        assert "LM Studio will no longer have it." in details(bench)
        await pilot.press("escape")
        assert "F8" not in details(bench)
        assert models.discarded == []
        await pilot.press("f8", "f8")
        await until(pilot, lambda: "is in the trash" in subtitle(bench))
        await until(pilot, lambda: "Breeze" not in "".join(lines(bench)))
        assert [path.name for path in models.discarded] == ["Breeze-8B-Q4_K_M.gguf"]


async def test_moving_on_forgets_the_question(bench: AppBench, models: ModelBench) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press("f8")
        await until(pilot, lambda: "F8 again" in details(bench))
        await pilot.press("down")
        await until(pilot, lambda: "F8 again" not in details(bench))
        await pilot.press("up", "f8")
        await until(pilot, lambda: "F8 again" in details(bench))
        assert models.discarded == []


async def test_what_ollama_holds_is_ollamas_to_remove(bench: AppBench, models: ModelBench) -> None:
    write_ollama(models.home / "ollama", "breath:8b", gguf_bytes())
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"breath", "f8")
        await until(pilot, lambda: "ollama rm breath:8b" in details(bench))
        await pilot.press("f8")
        assert models.discarded == []


async def test_letters_act_only_in_the_list(bench: AppBench, models: ModelBench) -> None:
    async with bench.app.run_test(size=SIZE) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"zephyr-9b", "tab", "d")
        await until(pilot, lambda: len(models.hub.asked) == 1)
        await until(pilot, lambda: "34 %" in lines(bench)[0])
        await pilot.press("c")
        await until(pilot, lambda: "stopped" in lines(bench)[0])
        await pilot.press("slash", "x")
        assert bench.app.screen.query_one(Input).value == "zephyr-9bx"


async def test_hostile_names_are_drawn_as_plain_text(bench: AppBench, models: ModelBench) -> None:
    models.add_gguf("maker/evil\x1b]0;title\x07\x1b[31m[red]x[[red][@click=app.quit]/m-Q4_K_M")
    models.add_gguf("maker/日本語の長い名前" + "とても" * 20 + "/m-Q4_K_M")
    models.add_gguf("maker/" + "a" * 200 + "/m-Q4_K_M")
    async with bench.app.run_test(size=NARROW) as pilot:
        await open_models(bench, pilot)
        await pilot.press(*"evil")
        await until(pilot, lambda: "evil[red]x[[red][@click=app.quit]" in details(bench))
        assert "\x1b" not in bench.screen_text()
        await pilot.press(*["backspace"] * 4, *"aaaaaaaaaaaaaaab")
        await until(pilot, lambda: "Nothing found" in bench.screen_text())
        await pilot.press(*["backspace"] * 16)
        await until(pilot, lambda: "日本語" in bench.screen_text())


@pytest.mark.parametrize("size", [(40, 12), (60, 20), (80, 24), (200, 50)])
async def test_every_row_is_one_line_whatever_the_size(
    bench: AppBench, models: ModelBench, size: tuple[int, int]
) -> None:
    async with bench.app.run_test(size=size) as pilot:
        options = await open_models(bench, pilot)
        assert options.virtual_size.height == options.option_count
        text = bench.screen_text()
        assert "Breeze" in text
        assert "fits" in text or size[0] < 60


async def test_broken_settings_are_told_and_the_catalogue_is_still_there(
    bench: AppBench, models: ModelBench
) -> None:
    models.find_error = WrongConfig("config.toml is not correct.", "Correct the line.")
    async with bench.app.run_test(size=SIZE) as pilot:
        await bench.ready(pilot)
        await pilot.press("f4")
        await until(pilot, lambda: "config.toml is not correct." in bench.screen_text())
        await until(pilot, lambda: "Zephyr" in bench.screen_text())
