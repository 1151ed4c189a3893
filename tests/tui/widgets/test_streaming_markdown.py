"""The Markdown widget: what reaches the terminal, the selection, resizing, themes."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console
from textual.geometry import Offset, Region
from textual.selection import Selection
from textual.strip import Strip

from engines.events import TextKind
from tui.widgets.streaming_markdown import StreamingMarkdown

HOSTILE = (
    "# \x1b]0;title\x07Head\n\n\x1b[2J*text* &#27;[31m \x9b31m [l](http://a\x1b]8;;http://b\x07)\n\n"
    "```\x1b[31m\ncode \x1b[1;1H \x07\u202e\n```\n\n| a\x1b[5m |\n|--|\n| \x1b[6n |\n"
)


def all_strips(widget: StreamingMarkdown) -> list[Strip]:
    return widget.render_lines(Region(0, 0, widget.size.width, widget.size.height))


async def streamed(app: Any, pilot: Any, text: str) -> StreamingMarkdown:
    message = app.view.add_assistant("a")
    for start in range(0, len(text), 5):
        message.append(text[start : start + 5], TextKind.ANSWER)
        await pilot.pause()
    message.finish()
    await pilot.pause()
    widget: StreamingMarkdown = message.query_one(StreamingMarkdown)
    return widget


async def test_no_escape_character_reaches_the_terminal(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        widget = await streamed(transcript_app, pilot, HOSTILE)
        text = "\n".join(strip.text for strip in all_strips(widget))
        assert "text" in text and "code" in text
        assert not set(text) & set("\x1b\x9b\x9d\x07\u202e")
        links = [s.style.link for strip in all_strips(widget) for s in strip if s.style]
        assert all("\x1b" not in (link or "") for link in links)


async def test_every_strip_fills_the_width(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(40, 20)) as pilot:
        widget = await streamed(transcript_app, pilot, "日本語 " * 20 + "\n\n```py\nx = 1\n```\n")
        assert {strip.cell_length for strip in all_strips(widget)} == {widget.size.width}


async def test_selected_text_joins_wrapped_rows(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(24, 20)) as pilot:
        text = "alpha beta gamma delta epsilon\n\n> quoted\n\n```py\ncode = 1\n```\n"
        widget = await streamed(transcript_app, pilot, text)
        selected = widget.get_selection(Selection(None, None))
        assert selected
        assert selected[0] == "alpha beta gamma delta epsilon\n\nquoted\n\npy\ncode = 1"
        part = widget.get_selection(Selection(Offset(6, 0), Offset(5, 1)))
        assert part
        assert part[0] == "beta gamma delta"


async def test_mouse_selection_gives_the_text(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(60, 20)) as pilot:
        widget = await streamed(transcript_app, pilot, "first line\n\nsecond line\n")
        left, top = widget.region.offset
        await pilot.mouse_down(offset=(left + 6, top))
        await pilot.hover(offset=(left + 5, top + 2))
        await pilot.mouse_up(offset=(left + 5, top + 2))
        await pilot.pause()
        assert transcript_app.screen.get_selected_text() == "line\n\nsecond"


async def test_resize_lays_out_again(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(80, 20)) as pilot:
        widget = await streamed(transcript_app, pilot, "word " * 30)
        height = widget.size.height
        await pilot.resize_terminal(40, 20)
        await pilot.pause()
        assert widget.size.height > height
        assert {strip.cell_length for strip in all_strips(widget)} == {widget.size.width}


async def test_reading_width_is_limited(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(200, 20)) as pilot:
        widget = await streamed(transcript_app, pilot, "word " * 60)
        assert 90 <= widget.size.width <= 100


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark"])
async def test_theme_switch_recolors(transcript_app: Any, theme: str) -> None:
    async with transcript_app.run_test() as pilot:
        widget = await streamed(transcript_app, pilot, "# head\n\n`code`\n")
        before = [str(s.style) for strip in all_strips(widget) for s in strip]
        transcript_app.theme = theme
        await pilot.pause()
        after = [str(s.style) for strip in all_strips(widget) for s in strip]
        assert len(before) == len(after)
        assert not set(before) & set(after)


async def test_only_changed_lines_are_repainted(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        widget = await streamed(transcript_app, pilot, "one\n\ntwo\n\n")
        regions: list[Region] = []
        refresh = widget.refresh

        def record(*dirty: Region, **options: bool) -> StreamingMarkdown:
            regions.extend(dirty)
            return refresh(*dirty, **options)

        widget.refresh = record  # type: ignore[method-assign]
        widget.append("three")
        widget.append(" four")
        assert [(region.y, region.height) for region in regions] == [(4, 1)]


async def test_lean_rendering_shows_the_same_as_textual(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        text = "# h\n\n**b** `c` [l](https://x.org)\n\n```py\ndef f(): return 'x'\n```\n"
        widget = await streamed(transcript_app, pilot, text)
        console = Console(color_system="truecolor", force_terminal=True)
        for strip in all_strips(widget):
            lean, plain = strip.render(console), Strip(list(strip)).render(console)
            assert len(lean) <= len(plain)
            assert _characters(lean) == _characters(plain)


def _characters(sequence: str) -> list[tuple[object, ...]]:
    import pyte

    screen = pyte.Screen(200, 1)
    stripped = "".join(part.partition("\x1b\\")[2] or part for part in sequence.split("\x1b]8;"))
    pyte.Stream(screen).feed(stripped)
    return [tuple(screen.buffer[0][x]) for x in range(200)]
