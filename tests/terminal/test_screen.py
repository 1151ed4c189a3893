from __future__ import annotations

import pytest

from tests.terminal.screen import TerminalScreen


@pytest.fixture
def screen() -> TerminalScreen:
    return TerminalScreen(20, 4)


def test_text_and_cursor_addressing_show(screen: TerminalScreen) -> None:
    assert screen.feed(b"one\x1b[3;5Hthree\x1b[1;31m!\x1b[m")

    assert screen.lines == ["one", "", "    three!", ""]
    assert screen.cursor == (3, 11)


def test_a_synchronized_update_shows_when_it_ends(screen: TerminalScreen) -> None:
    assert not screen.feed(b"\x1b[?2026hhalf")
    assert screen.text.strip() == ""

    assert screen.feed(b" whole\x1b[?2026l\x1b[?2026h\x1b[2;1Hnext")
    assert screen.lines[:2] == ["half whole", ""]


def test_sequences_and_characters_may_be_cut_anywhere(screen: TerminalScreen) -> None:
    output = "\x1b[2;3Hgrün\x1b]0;title\x07\x1b[>1u\x1bP>|x\x1b\\ ok".encode()
    for position in range(len(output)):
        screen.feed(output[position : position + 1])

    assert screen.lines[1] == "  grün ok"


def test_leaving_the_alternate_screen_brings_the_old_text_back(screen: TerminalScreen) -> None:
    screen.feed(b"$ chat\x1b[?1049h\x1b[?25l\x1b[Happ")
    assert (screen.lines[0], screen.modes) == ("app", {7, 1049})

    screen.feed(b"\x1b[?1049l\x1b[?25h")
    assert (screen.lines[0], screen.modes) == ("$ chat", {7, 25})


def test_a_smaller_size_keeps_what_fits(screen: TerminalScreen) -> None:
    screen.feed(b"first\r\nsecond")
    screen.resize(10, 2)
    screen.feed(b"\x1b[2J\x1b[2;1Hnew")

    assert screen.lines == ["", "new"]


@pytest.mark.parametrize(
    ("scroll", "lines"), [(b"\x1b[S", ["1", "3", "", "4"]), (b"\x1b[2T", ["1", "", "", "4"])]
)
def test_scrolling_moves_the_rows_of_the_region(
    screen: TerminalScreen, scroll: bytes, lines: list[str]
) -> None:
    screen.feed(b"1\r\n2\r\n3\r\n4\x1b[2;3r" + scroll + b"\x1b[r\x1b[4;2H")

    assert screen.lines == lines
    assert screen.cursor == (4, 2)
