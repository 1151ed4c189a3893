"""The transcript: following the end, answers in parts, the window of mounted entries."""

from __future__ import annotations

from typing import Any

import pytest

from engines.events import TextKind
from tui.widgets.assistant_message import AssistantMessage
from tui.widgets.notice_block import NoticeBlock
from tui.widgets.reasoning_block import ReasoningBlock
from tui.widgets.streaming_markdown import StreamingMarkdown
from tui.widgets.tool_call_block import ToolCallBlock
from tui.widgets.transcript_entry import (
    AssistantEntry,
    MessagePart,
    MessageStatus,
    NoticeEntry,
    TranscriptEntry,
    UserEntry,
)
from tui.widgets.transcript_view import MOST_MOUNTED, TAIL_COUNT, TranscriptView


def history(count: int, first: int = 0) -> list[TranscriptEntry]:
    entries: list[TranscriptEntry] = []
    for number in range(first, first + count):
        if number % 2:
            parts = (MessagePart(TextKind.ANSWER, f"# Answer {number}\n\ntext\n"),)
            entries.append(AssistantEntry(f"m{number}", parts, footer="3 tokens"))
        else:
            entries.append(UserEntry(f"m{number}", f"question {number}"))
    return entries


def shown(view: TranscriptView) -> str:
    return "\n".join(strip.text for strip in view.screen._compositor.render_strips())


async def test_follows_the_end_until_the_reader_scrolls_up(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(60, 20)) as pilot:
        view = transcript_app.view
        answer = view.add_assistant("a")
        answer.append("short", TextKind.ANSWER)
        await pilot.pause()
        assert view.scroll_y == 0
        answer.append("\n\nline" * 40, TextKind.ANSWER)
        await pilot.pause()
        assert view.scroll_y == view.max_scroll_y > 0
        view.scroll_page_up(animate=False)
        await pilot.pause()
        held = view.scroll_y
        answer.append("\n\nline" * 20, TextKind.ANSWER)
        await pilot.pause()
        assert view.scroll_y == held < view.max_scroll_y
        view.scroll_end(animate=False)
        await pilot.pause()
        answer.append("\n\nline" * 20, TextKind.ANSWER)
        await pilot.pause()
        assert view.scroll_y == view.max_scroll_y


async def test_answer_keeps_its_parts_in_order(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        answer = transcript_app.view.add_assistant("a")
        answer.append("let me ", TextKind.REASONING, 2)
        await pilot.pause()
        answer.append("think", TextKind.REASONING, 1)
        answer.append("The *answer*.", TextKind.ANSWER)
        answer.append('{"name": "x"}', TextKind.TOOL_CALL)
        answer.append("More.", TextKind.ANSWER)
        await pilot.pause()
        kinds = [type(child) for child in answer.children]
        assert kinds == [ReasoningBlock, StreamingMarkdown, ToolCallBlock, StreamingMarkdown]
        answer.finish(MessageStatus.COMPLETE, "12 tokens")
        await pilot.pause()
        assert answer.copy_source() == "The *answer*.\n\nMore.\n"
        assert "12 tokens" in shown(transcript_app.view)


async def test_reasoning_folds_and_unfolds(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        answer = transcript_app.view.add_assistant("a")
        answer.append("first line\nlast line so far", TextKind.REASONING, 312)
        await pilot.pause()
        text = shown(transcript_app.view)
        assert "Reasoning… 312 tokens" in text
        assert "last line so far" in text
        assert "first line" not in text
        answer.append("Answer.", TextKind.ANSWER)
        await pilot.pause()
        text = shown(transcript_app.view)
        assert "Reasoned for 0." in text
        assert "last line so far" not in text
        answer.query_one(ReasoningBlock).focus()
        await pilot.press("enter")
        await pilot.pause()
        assert "first line" in shown(transcript_app.view)
        await pilot.click(".header")
        await pilot.pause()
        assert "first line" not in shown(transcript_app.view)


@pytest.mark.parametrize(
    ("status", "words"), [("cancelled", "stopped · 5 tokens"), ("interrupted", "interrupted · 5")]
)
async def test_unfinished_answers_say_so(transcript_app: Any, status: str, words: str) -> None:
    async with transcript_app.run_test() as pilot:
        answer = transcript_app.view.add_assistant("a")
        answer.append("half", TextKind.ANSWER)
        answer.finish(status, "5 tokens")
        await pilot.pause()
        assert words in shown(transcript_app.view)


async def test_failure_is_a_block_in_the_answer(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        answer = transcript_app.view.add_assistant("a")
        answer.append("half", TextKind.ANSWER)
        answer.finish("failed", error="Out of [b]memory[/b]\x1b[31m.", hint="Use a smaller model.")
        await pilot.pause()
        assert answer.query_one(NoticeBlock).entry.severity == "error"
        text = shown(transcript_app.view)
        assert "Out of [b]memory[/b]." in text
        assert "Use a smaller model." in text


async def test_user_text_is_literal_and_safe(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        transcript_app.view.add_user("u", "*a* [b]b[/b] \x1b[31mc\ttab", ["f\x1b[2J.txt"])
        transcript_app.view.add_notice("note \x07[i]x", "warning")
        await pilot.pause()
        text = shown(transcript_app.view)
        assert "*a* [b]b[/b] c  tab" in text
        assert "+ f.txt" in text
        assert "note [i]x" in text
        assert "\x1b" not in text


async def test_history_mounts_a_tail_and_loads_more_at_the_top(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(60, 20)) as pilot:
        view = transcript_app.view
        view.show_history(history(100))
        await pilot.pause()
        assert len(view.children) == TAIL_COUNT
        assert "text" in shown(view)
        view.scroll_to(y=3, animate=False)
        await pilot.pause()
        view.scroll_to(y=1, animate=False)
        await pilot.pause()
        await pilot.pause()
        assert len(view.children) == 2 * TAIL_COUNT
        assert "question 70" in shown(view)
        assert view.scroll_y > 20
        assert not transcript_app.requests


async def test_older_entries_are_asked_from_the_store_once(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(60, 20)) as pilot:
        view = transcript_app.view
        view.show_history(history(20, first=50), has_older=True)
        await pilot.pause()
        view.load_older()
        view.load_older()
        await pilot.pause()
        assert [type(event) for event in transcript_app.requests] == [TranscriptView.OlderRequested]
        view.add_older(history(50), has_older=False)
        await pilot.pause()
        assert len(view.children) == 20 + TAIL_COUNT
        first = view.children[0]
        assert first.entry == history(50)[20]


async def test_a_long_view_gives_up_its_oldest_entries(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(60, 20)) as pilot:
        view = transcript_app.view
        for number in range(MOST_MOUNTED + 1):
            view.add_user(str(number), f"question {number}")
        await pilot.pause()
        assert len(view.children) == MOST_MOUNTED + 1 - TAIL_COUNT
        assert view.scroll_y == view.max_scroll_y
        view.load_older()
        await pilot.pause()
        assert [child.entry.message_id for child in view.children] == [
            str(number) for number in range(MOST_MOUNTED + 1)
        ]


async def test_entries_survive_a_round_trip(transcript_app: Any) -> None:
    entry = AssistantEntry(
        "m",
        (
            MessagePart(TextKind.REASONING, "why", 4, 4.2),
            MessagePart(TextKind.ANSWER, "# So\n"),
            MessagePart(TextKind.TOOL_CALL, "{}"),
        ),
        MessageStatus.FAILED,
        "9 tokens",
        "It broke.",
        "Mend it.",
    )
    async with transcript_app.run_test() as pilot:
        transcript_app.view.show_history([entry, NoticeEntry("n")])
        await pilot.pause()
        assert transcript_app.query_one(AssistantMessage).entry == entry
        assert "Reasoned for 4.2 s" in shown(transcript_app.view)


async def test_code_is_copied_from_the_source_latest_first(transcript_app: Any) -> None:
    async with transcript_app.run_test() as pilot:
        view = transcript_app.view
        answer = view.add_assistant("a")
        answer.append("```py\nx\t= 1\n```\n\n- a\n  ```\n  two\n  ```\n", TextKind.ANSWER)
        await pilot.pause()
        assert [block.code for block in view.code_blocks()] == ["x\t= 1\n", "two\n"]
        view.focus()
        await pilot.pause()
        await pilot.press("y", "y", "y")
        await pilot.pause()
        assert [event.text for event in transcript_app.requests] == ["two\n", "x\t= 1\n", "two\n"]


async def test_code_wrap_is_toggled(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(40, 20)) as pilot:
        view = transcript_app.view
        answer = view.add_assistant("a")
        answer.append("```\n" + "x" * 60 + "\n```\n", TextKind.ANSWER)
        await pilot.pause()
        height = answer.size.height
        view.focus()
        await pilot.pause()
        await pilot.press("w")
        await pilot.pause()
        assert answer.size.height == height - 1
        assert "…" in shown(view)


async def test_clear_starts_again_at_the_end(transcript_app: Any) -> None:
    async with transcript_app.run_test(size=(40, 20)) as pilot:
        view = transcript_app.view
        view.show_history(history(100))
        await pilot.pause()
        view.clear()
        view.add_user("u", "anew")
        await pilot.pause()
        assert "anew" in shown(view)
        view.load_older()
        await pilot.pause()
        assert len(view.children) == 1
