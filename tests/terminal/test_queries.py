from __future__ import annotations

import pytest

from tests.terminal.queries import TerminalQueries
from tests.terminal.sequences import Sequence, SequenceParser


def replies(output: bytes, queries: TerminalQueries) -> list[str]:
    parts = SequenceParser().feed(output)
    return [queries.reply(part) for part in parts if isinstance(part, Sequence)]


@pytest.fixture
def queries() -> TerminalQueries:
    return TerminalQueries(80, 24, lambda: (3, 7))


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        (b"\x1b[c", "\x1b[?62;22c"),
        (b"\x1b[6n", "\x1b[3;7R"),
        (b"\x1b[?6n", "\x1b[?3;7R"),
        (b"\x1b[?2026$p", "\x1b[?2026;2$y"),
        (b"\x1b[?2048$p", "\x1b[?2048;0$y"),
        (b"\x1b]11;?\x07", "\x1b]11;rgb:1010/1010/1818\x1b\\"),
        (b"\x1b]52;c;aGk=\x07", ""),
        (b"\x1b[>q", "\x1bP>|pty(1.0)\x1b\\"),
        (b"\x1b[18t", "\x1b[8;24;80t"),
        (b"\x1b[31m", ""),
    ],
)
def test_a_query_gets_its_reply(queries: TerminalQueries, query: bytes, reply: str) -> None:
    assert replies(query, queries) == [reply]


def test_kitty_keyboard_flags_are_a_stack(queries: TerminalQueries) -> None:
    assert replies(b"\x1b[>1u\x1b[?u\x1b[<u\x1b[?u", queries) == ["", "\x1b[?1u", "", "\x1b[?0u"]


def test_a_terminal_without_the_kitty_keyboard_is_silent() -> None:
    assert replies(b"\x1b[>1u\x1b[?u", TerminalQueries(80, 24, lambda: (1, 1), False)) == ["", ""]
