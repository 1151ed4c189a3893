"""The lean screen leaves the terminal as a full repaint would."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyte
import pytest
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

import tui
from engines.events import TextKind
from tui.lean_screen import LeanScreen
from tui.widgets.transcript_view import TranscriptView


class Terminal(pyte.Screen):  # type: ignore[misc]
    """A terminal with the scroll sequences that pyte lacks."""

    scroll_count = 0

    def scroll_up(self, count: int = 1) -> None:
        self._scroll(count, is_up=True)

    def scroll_down(self, count: int = 1) -> None:
        self._scroll(count, is_up=False)

    def _scroll(self, count: int, is_up: bool) -> None:
        self.scroll_count += 1
        top, bottom = self.margins or pyte.screens.Margins(0, self.lines - 1)
        cursor_y = self.cursor.y
        for _ in range(count):
            self.cursor.y = bottom if is_up else top
            (self.index if is_up else self.reverse_index)()
        self.cursor.y = cursor_y


class TerminalStream(pyte.Stream):  # type: ignore[misc]
    csi = {**pyte.Stream.csi, "S": "scroll_up", "T": "scroll_down"}
    events = pyte.Stream.events | {"scroll_up", "scroll_down"}


class TerminalApp(App[None]):
    CSS_PATH = Path(tui.__file__).parent / "widgets" / "transcript.tcss"
    CSS = "Horizontal { height: 1fr; } #side { width: 12; }"

    def __init__(self, has_side: bool) -> None:
        super().__init__()
        self.terminal = Terminal(70, 24)
        self.stream = TerminalStream(self.terminal)
        self.byte_count = 0
        self.has_side = has_side

    def get_default_screen(self) -> Screen[object]:
        return LeanScreen(id="_default")

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield TranscriptView()
            if self.has_side:
                yield Static("side\n" * 5, id="side")
        yield Input()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if renderable is not None and hasattr(renderable, "render_segments"):
            sequence = renderable.render_segments(self.console)
            self.byte_count += len(sequence)
            self.stream.feed(sequence)

    def expected(self) -> list[list[tuple[object, ...]]]:
        """What a terminal would show after a repaint of everything."""
        terminal = pyte.Screen(70, 24)
        stream = pyte.Stream(terminal)
        for y, strip in enumerate(self.screen._compositor.render_strips()):
            stream.feed(f"\x1b[{y + 1};1H{strip.render(self.console)}")
        return cells(terminal)


async def painted(app: TerminalApp, pilot: Pilot[None]) -> None:
    """Wait for the paints that are due; a screen that stays different is left so."""
    for _ in range(40):
        await pilot.pause(0.02)
        if cells(app.terminal) == app.expected():
            return


def cells(terminal: pyte.Screen) -> list[list[tuple[object, ...]]]:
    return [[tuple(terminal.buffer[y][x]) for x in range(70)] for y in range(24)]


TEXT = (
    "# Head\n\nSome *text* that goes on for a while and wraps.\n\n- a\n- b\n\n```py\nx = 1\n```\n\n"
)


@pytest.mark.parametrize("has_side", [False, True])
@pytest.mark.parametrize("seed", range(2))
async def test_terminal_shows_what_the_screen_holds(seed: int, has_side: bool) -> None:
    chance = random.Random(seed)
    app = TerminalApp(has_side)
    async with app.run_test(size=(70, 24)) as pilot:
        view = app.query_one(TranscriptView)
        view.add_user("u", "a question")
        answer = view.add_assistant("a")
        answer.append("think " * 20, TextKind.REASONING)
        for step in range(40):
            answer.append(chance.choice(TEXT.split(" ")) + " ", TextKind.ANSWER)
            answer.append(TEXT[: chance.randint(1, len(TEXT))], TextKind.ANSWER)
            action = chance.randrange(12)
            if action == 0:
                view.scroll_page_up(animate=False)
            elif action == 1:
                view.scroll_end(animate=False)
            elif action == 2:
                view.scroll_relative(y=-3, animate=False)
            elif action == 3:
                await app.push_screen(ModalScreen())
                await pilot.pause()
                app.pop_screen()
            elif action == 4:
                app.theme = chance.choice(["textual-dark", "textual-light"])
            elif action == 5:
                app.query_one(Input).value += "typed"
            await painted(app, pilot)
            assert cells(app.terminal) == app.expected(), f"after step {step}"


@pytest.mark.parametrize("has_side", [False, True])
async def test_scrolling_text_is_not_sent_again(has_side: bool) -> None:
    app = TerminalApp(has_side)
    async with app.run_test(size=(70, 24)) as pilot:
        answer = app.query_one(TranscriptView).add_assistant("a")
        lines = "".join(f"line {number}\n\n" for number in range(40))
        answer.append(lines, TextKind.ANSWER)
        await shown_on(app, pilot, "line 39")
        before = app.byte_count
        answer.append("another\n\n", TextKind.ANSWER)
        await shown_on(app, pilot, "another")
        assert app.terminal.scroll_count > 0
        assert app.byte_count - before < 1500


async def shown_on(app: TerminalApp, pilot: Pilot[None], text: str) -> None:
    """Wait until the terminal shows `text`; the test's own time limit ends the wait."""
    while not any(text in row for row in app.terminal.display):
        await pilot.pause(0.01)
