"""Switching profiles by key: visible at once, and the old model answers until the new is ready."""

from __future__ import annotations

import pytest

from engines.errors import ModelNotFound
from engines.scripted import Gate
from tests.tui.app_bench import AppBench, until
from tui.widgets.assistant_message import AssistantMessage


async def test_f2_goes_on_and_shift_f2_back(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: bench.bar.startswith("Coding · coding.md"))
        await pilot.press("shift+f2")
        await until(pilot, lambda: bench.bar.startswith("Chat · chat.md"))
        await pilot.press("shift+f2")
        await until(pilot, lambda: bench.bar.startswith("Reasoning"))


@pytest.mark.parametrize("keys", [("alt+3",), ("ctrl+x", "3")])
async def test_a_profile_is_chosen_directly(bench: AppBench, keys: tuple[str, ...]) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: bench.bar.startswith("Reasoning · reasoning.md"))
        assert bench.prompt.text == ""


async def test_a_number_without_a_profile_says_so(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press("alt+9")
        assert bench.notice == "There are 3 profiles"
        assert bench.bar.startswith("Chat")


async def test_the_old_model_answers_until_the_new_one_is_ready(bench: AppBench) -> None:
    bench.load_gates["coding"] = Gate()
    bench.gate.open()
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: bench.bar.startswith("Chat → Coding"))
        assert "until then Chat answers" in bench.notice
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: not bench.pane.is_busy)
        assert bench.pane.session.transcript.path()[-1].profile == "chat"
        bench.load_gates["coding"].open()
        await until(pilot, lambda: bench.bar.startswith("Coding · coding.md"))
        await pilot.press(*"more", "enter")
        await bench.finished(pilot)
        assert bench.pane.session.transcript.path()[-1].profile == "coding"


async def test_a_switch_while_an_answer_runs_is_for_the_next_turn(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: "prefill" in bench.bar)
        await pilot.press("f2")
        await until(pilot, lambda: "from the next message on" in bench.notice)
        await until(pilot, lambda: bench.bar.startswith("Chat → Coding · chat.md"))
        bench.gate.open()
        await bench.finished(pilot)
        assert "Chat · chat.md" in bench.app.screen.query_one(AssistantMessage).footer
        await until(pilot, lambda: bench.bar.startswith("Coding · coding.md"))


async def test_a_profile_that_fails_leaves_the_old_one_in_use(bench: AppBench) -> None:
    bench.failures["coding"] = ModelNotFound("There is no model at y.", "Give another path.")
    bench.gate.open()
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: "Coding: There is no model at y." in bench.screen_text())
        assert bench.bar.startswith("Chat · chat.md")
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        assert bench.pane.session.transcript.path()[-1].profile == "chat"


async def test_choosing_the_profile_in_use_ends_the_switch(bench: AppBench) -> None:
    bench.load_gates["coding"] = Gate()
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: "→ Coding" in bench.bar)
        await pilot.press("shift+f2")
        await until(pilot, lambda: "→" not in bench.bar)
        bench.load_gates["coding"].open()
        await until(pilot, lambda: not bench.pane.bridge.is_watching)
        assert bench.bar.startswith("Chat · chat.md")
