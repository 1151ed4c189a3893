from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App, ComposeResult

from tui.prompt_history import PromptHistory
from tui.widgets.prompt_input import PromptInput


class PromptApp(App[None]):
    def __init__(self, history: PromptHistory | None = None) -> None:
        super().__init__()
        self.sent: list[str] = []
        self._history = history

    def compose(self) -> ComposeResult:
        yield PromptInput(self._history)

    def on_mount(self) -> None:
        self.prompt.focus()

    def on_prompt_input_submitted(self, event: PromptInput.Submitted) -> None:
        self.sent.append(event.text)

    @property
    def prompt(self) -> PromptInput:
        return self.query_one(PromptInput)


@pytest.mark.parametrize("key", ["shift+enter", "ctrl+j", "alt+enter"])
async def test_newline_keys(key: str) -> None:
    app = PromptApp()
    async with app.run_test() as pilot:
        await pilot.press("a", key, "b", "enter")
        assert app.sent == ["a\nb"]
        assert app.prompt.text == ""


async def test_an_empty_prompt_sends_nothing() -> None:
    app = PromptApp()
    async with app.run_test() as pilot:
        await pilot.press("space", "ctrl+j", "enter")
        assert app.sent == []
        assert app.prompt.text == " \n"


async def test_grows_to_eight_lines() -> None:
    app = PromptApp()
    async with app.run_test(size=(60, 30)) as pilot:
        heights = []
        for _ in range(12):
            heights.append(app.prompt.content_size.height)
            await pilot.press("ctrl+j")
        assert heights == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8]


async def test_a_huge_paste_is_folded_and_sent_whole() -> None:
    app = PromptApp()
    pasted = "\r\n".join(f"line {number}" for number in range(500))
    async with app.run_test() as pilot:
        await pilot.press(*"see ")
        app.prompt.post_message(events.Paste(pasted))
        await pilot.pause()
        assert app.prompt.text == "see [pasted text 1: 500 lines, 4,389 characters]"
        await pilot.press("enter")
        assert app.sent == ["see " + pasted.replace("\r\n", "\n")]


async def test_a_small_paste_stays_as_it_is() -> None:
    app = PromptApp()
    async with app.run_test() as pilot:
        app.prompt.post_message(events.Paste("one\ntwo"))
        await pilot.pause()
        assert app.prompt.text == "one\ntwo"
        assert app.sent == []


async def test_text_that_comes_back_does_not_replace_what_was_typed_since() -> None:
    app = PromptApp()
    async with app.run_test() as pilot:
        await pilot.press(*"new")
        app.prompt.put_back("old")
        assert app.prompt.text == "old\nnew"


async def test_up_and_down_go_through_what_was_sent(tmp_path: Path) -> None:
    file = tmp_path / "state" / "history"
    history = PromptHistory(file)
    for text in ("first", "two\nlines"):
        history.add(text)
    app: Any = PromptApp(PromptHistory(file))
    async with app.run_test() as pilot:
        await pilot.press(*"draft", "up")
        assert app.prompt.text == "two\nlines"
        await pilot.press("up")
        assert app.prompt.text == "first"
        await pilot.press("up")
        assert app.prompt.text == "first"
        await pilot.press("down", "down", "down")
        assert app.prompt.text == "draft"


async def test_up_moves_the_cursor_first() -> None:
    history = PromptHistory()
    history.add("sent")
    app = PromptApp(history)
    async with app.run_test() as pilot:
        await pilot.press("a", "ctrl+j", "b", "up")
        assert app.prompt.text == "a\nb"
        await pilot.press("up")
        assert app.prompt.text == "sent"


def test_history_keeps_each_text_once_in_a_row_and_survives_damage(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_text('"good"\nnot json\n[1]\n"also"\n', encoding="utf-8")
    history = PromptHistory(file)
    history.add("also")
    assert history.older("") == "also"
    assert history.older("") == "good"
    assert history.older("") is None
