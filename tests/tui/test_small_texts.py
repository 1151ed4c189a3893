from __future__ import annotations

from datetime import datetime

import pytest

from conversation.message import MessageStatus, TextPart, new_message
from engines.types import Role
from tui.answer_footer import answer_footer
from tui.key_line import key_line
from tui.relative_time import relative_time
from tui.welcome import ProfileLine, welcome_content

NOW_S = datetime(2026, 3, 18, 15, 0).timestamp()


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (datetime(2026, 3, 18, 14, 59, 30), "just now"),
        (datetime(2026, 3, 18, 14, 18), "42 min ago"),
        (datetime(2026, 3, 18, 9, 0), "6 h ago"),
        (datetime(2026, 3, 17, 9, 5), "yesterday 09:05"),
        (datetime(2026, 3, 15, 9, 5), "Sunday"),
        (datetime(2026, 1, 4, 9, 5), "4 Jan"),
        (datetime(2025, 12, 31, 9, 5), "31 Dec 2025"),
    ],
)
def test_relative_time(then: datetime, expected: str) -> None:
    assert relative_time(then.timestamp(), NOW_S) == expected


def test_the_key_line_has_only_whole_hints() -> None:
    hints = (("Enter", "send"), ("F2", "profile"), ("Ctrl+P", "palette"))
    assert key_line(hints, 80).plain == "Enter send  F2 profile  Ctrl+P palette"
    assert key_line(hints, 30).plain == "Enter send  F2 profile"
    assert key_line(hints, 9).plain == ""


def test_the_footer_of_an_answer_has_only_what_is_known() -> None:
    answer = new_message(Role.ASSISTANT, [TextPart("x")], status=MessageStatus.INTERRUPTED)
    assert answer_footer(answer, "Chat") == "Chat"
    assert answer_footer(new_message(Role.ASSISTANT, profile="chat"), "Chat") == ""


def test_welcome_says_what_the_demonstration_model_is_and_how_to_get_another() -> None:
    lines = [ProfileLine("Chat", "talk", True), ProfileLine("Coding", "code", False)]
    text = welcome_content(lines, "m · mlx", is_demo=True).plain
    assert "tiny demonstration model" in text
    assert "llm-tui --model PATH" in text
    assert "Alt+1 ● Chat" in text
    assert "Alt+2   Coding" in text
    assert "demonstration" not in welcome_content(lines, "m · mlx", is_demo=False).plain


def test_welcome_offers_what_was_cut_off() -> None:
    text = welcome_content([], "", is_demo=False, interrupted="About apples").plain
    assert "was cut off: About apples" in text
    assert "F5" in text
