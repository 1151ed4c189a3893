"""The saved conversations: the list, and what a crash leaves behind."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from conversation.message import MessageStatus
from conversation.store import Store
from engines.types import Role
from tests.tui.app_bench import AppBench, until
from tui.screens.sessions import SessionsScreen


async def _talk(bench: AppBench, pilot: Pilot[Any], *texts: str) -> None:
    """One conversation for each text."""
    bench.gate.open()
    await bench.ready(pilot)
    for text in texts:
        await pilot.press("ctrl+n")
        bench.pane.send(text)
        await bench.finished(pilot)


async def _open_list(bench: AppBench, pilot: Pilot[Any], count: int) -> OptionList:
    await pilot.press("ctrl+o")
    await until(pilot, lambda: isinstance(bench.app.screen, SessionsScreen))
    options = bench.app.screen.query_one(OptionList)
    await until(pilot, lambda: options.option_count == count)
    return options


async def test_an_empty_list_says_so(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await _open_list(bench, pilot, 0)
        assert "No conversations yet." in bench.screen_text()
        await pilot.press("escape")
        assert bench.prompt.has_focus


async def test_search_and_continue(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await _talk(bench, pilot, "about apples", "about pears", "about plums")
        options = await _open_list(bench, pilot, 3)
        await pilot.press(*"pears")
        await until(pilot, lambda: options.option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: bench.pane.session.title == "about pears")
        assert "about pears" in bench.screen_text()
        assert [m.role for m in bench.pane.session.transcript.path()] == [Role.USER, Role.ASSISTANT]


async def test_a_conversation_comes_back_with_the_profile_it_was_held_with(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await _talk(bench, pilot, "about apples")
        await pilot.press("f2")
        await until(pilot, lambda: bench.pane.session.profile.name == "coding")
        await pilot.press("ctrl+n")
        await _open_list(bench, pilot, 1)
        await pilot.press("enter")
        await until(pilot, lambda: bench.pane.session.title == "about apples")
        assert bench.pane.session.profile.name == "chat"


async def test_down_chooses_from_the_search_field(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await _talk(bench, pilot, "old", "new")
        await _open_list(bench, pilot, 2)
        await pilot.press("down", "enter")
        await until(pilot, lambda: bench.pane.session.title == "old")


async def test_rename(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await _talk(bench, pilot, "first title")
        await _open_list(bench, pilot, 1)
        await pilot.press("f4")
        bench.app.screen.query_one("#title", Input).value = "better"
        await pilot.press("enter")
        await until(pilot, lambda: "better" in bench.screen_text())
        await pilot.press("f4", *"worse", "escape")
        assert bench.app.services is not None
        assert [c.title for c in bench.app.services.store.list_conversations()] == ["better"]
        assert isinstance(bench.app.screen, SessionsScreen)


async def test_delete_and_undo(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await _talk(bench, pilot, "one", "two")
        options = await _open_list(bench, pilot, 2)
        await pilot.press("f8")
        await until(pilot, lambda: options.option_count == 1)
        assert "Ctrl+Z brings it back" in bench.screen_text()
        await pilot.press("ctrl+z")
        await until(pilot, lambda: options.option_count == 2)


async def test_deleting_the_conversation_in_view_begins_a_new_one(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await _talk(bench, pilot, "one")
        await _open_list(bench, pilot, 1)
        await pilot.press("f8", "escape")
        await until(pilot, lambda: not bench.pane.session.transcript.path())
        assert bench.pane.has_class("-empty")


async def test_a_deleted_conversation_is_forgotten_by_the_loaded_model(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await _talk(bench, pilot, "one")
        assert bench.app.services is not None
        pool = bench.app.services.pool
        await until(pilot, lambda: pool.memory_bytes > 0)  # of a scripted model: its KV caches
        await _open_list(bench, pilot, 1)
        await pilot.press("f8", "escape")
        await until(pilot, lambda: pool.memory_bytes == 0)


async def test_after_a_crash_the_conversation_is_offered_with_all_that_came(
    bench: AppBench,
) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        bench.pane.send("a question")
        bench.gate.open(1 + 8)
        await until(pilot, lambda: bench.pane.session.turns[0].generated_tokens == 8)
        assert bench.app.services is not None
        bench.app.services.store.writer.flush(1.0)
        _forget_owner(bench)
        came = bench.pane.session.turns[0].answer().text
        store = Store(bench.paths.database)  # what the next start does
        assert store.interrupted()[0].title == "a question"
        store.close()
        bench.app.services.store.writer.close(0.0)

    async with bench.new_app().run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        assert "was cut off: a question" in bench.screen_text()
        await pilot.press("f5")
        await until(pilot, lambda: bench.pane.session.title == "a question")
        await pilot.pause()
        answer = bench.pane.session.transcript.path()[-1]
        assert answer.status is MessageStatus.INTERRUPTED
        assert answer.text == came
        assert "interrupted" in bench.screen_text()
        assert bench.app.interrupted is None


def _forget_owner(bench: AppBench) -> None:
    """Make the running answer one of a process that is gone."""
    import sqlite3

    with sqlite3.connect(bench.paths.database) as connection:
        connection.execute("UPDATE messages SET owner = '999999999:0' WHERE status = 'running'")
    connection.close()
