"""The chat screen, driven by keys, on engines held at exact tokens."""

from __future__ import annotations

from textual import events

from conversation.message import MessageStatus
from engines.errors import ModelNotFound
from engines.scripted import Gate
from tests.tui.app_bench import ANSWER, AppBench, until
from tui.widgets.assistant_message import AssistantMessage
from tui.widgets.streaming_markdown import StreamingMarkdown
from tui.widgets.user_message import UserMessage


async def test_streams_an_answer_and_freezes_its_figures(bench: AppBench) -> None:
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        bench.gate.open()
        await bench.finished(pilot)
        answer = bench.app.screen.query_one(AssistantMessage)
        assert answer.source == ANSWER
        assert "tokens" in answer.footer
        assert "Chat · chat.md" in bench.bar
        assert "prefill" not in bench.bar
        assert "TTFT —" not in bench.bar
        assert bench.prompt.text == ""
        assert not bench.pane.bridge.is_watching


async def test_shows_prefill_then_decode_while_they_run(bench: AppBench) -> None:
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: "prefill" in bench.bar and " 0 %" in bench.bar)
        assert "TTFT —" in bench.bar
        bench.gate.open(1 + 5)
        await until(pilot, lambda: "TTFT —" not in bench.bar)
        await until(pilot, lambda: bench.pane.session.turns[0].generated_tokens == 5)
        assert "prefill" not in bench.bar
        assert "answering" in bench.screen_text()


async def test_escape_stops_and_keeps_the_text(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        bench.gate.open(1 + 5)
        answer = bench.app.screen.query_one(AssistantMessage)
        await until(pilot, lambda: answer.source)
        await pilot.press("escape")
        await pilot.press(*"next")
        assert bench.prompt.text == "next"
        await bench.finished(pilot)
        message = bench.pane.session.transcript.path()[-1]
        assert message.status is MessageStatus.CANCELLED
        assert ANSWER.startswith(message.text)
        assert message.text
        assert "stopped" in bench.screen_text()


async def test_keys_typed_after_enter_belong_to_the_next_message(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        for key in ("a", "enter", "b"):
            bench.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: bench.app.screen.query(UserMessage))
        assert bench.app.screen.query_one(UserMessage).source == "a"
        assert bench.prompt.text == "b"


async def test_a_message_before_the_model_is_ready_is_queued(bench: AppBench) -> None:
    bench.load_gates["chat"] = Gate()
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"early", "enter")
        await until(pilot, lambda: "queued" in bench.screen_text())
        assert "loading" in bench.bar
        assert "40 %" in bench.bar
        bench.load_gates["chat"].open()
        bench.gate.open()
        await bench.finished(pilot)
        assert bench.app.screen.query_one(AssistantMessage).source == ANSWER
        assert "queued" not in bench.screen_text()


async def test_messages_sent_while_one_is_answered_wait_and_are_marked(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"one", "enter")
        await pilot.press(*"two", "enter")
        await until(pilot, lambda: "1 more message queued" in bench.screen_text())
        assert bench.screen_text().count("queued") == 2
        bench.gate.open()
        await bench.finished(pilot)
        texts = [message.text for message in bench.pane.session.transcript.path()]
        assert texts == ["one", ANSWER, "two", ANSWER]
        assert "queued" not in bench.screen_text()


async def test_a_failed_turn_gives_the_text_back(bench: AppBench) -> None:
    bench.options["chat"] = (("fail_after", "3"),)
    async with bench.new_app().run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        bench.gate.open()
        await bench.finished(pilot)
        assert "The script ends in an error here." in bench.screen_text()
        assert "Send it again." in bench.screen_text()
        assert bench.prompt.text == "hi"


async def test_a_model_that_is_not_there_leaves_the_app_usable(bench: AppBench) -> None:
    bench.failures["chat"] = ModelNotFound("There is no model at x.", "Give another path.")
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "There is no model at x." in bench.screen_text())
        assert "Give another path." in bench.screen_text()
        assert "model not loaded" in bench.bar
        await pilot.press("f2")
        await until(pilot, lambda: "Coding · coding.md" in bench.bar)
        bench.gate.open()
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        assert bench.app.screen.query_one(AssistantMessage).source == ANSWER


async def test_regenerate_and_edit_make_branches(bench: AppBench) -> None:
    bench.answers = ["first", "second", "third"]
    bench.gate.open()
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        bench.pane.regenerate()
        await bench.finished(pilot)
        assert [m.text for m in bench.pane.session.transcript.path()] == ["hi", "second"]
        assert "first" not in bench.screen_text()
        bench.pane.edit_last()
        assert bench.prompt.text == "hi"
        await pilot.press("space", "y", "o", "u", "enter")
        await bench.finished(pilot)
        assert [m.text for m in bench.pane.session.transcript.path()] == ["hi you", "third"]
        assert "second" not in bench.screen_text()
        assert len(bench.pane.session.transcript) == 5


async def test_escape_leaves_an_edited_message_as_it_was(bench: AppBench) -> None:
    bench.gate.open()
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        bench.pane.edit_last()
        await pilot.press("escape", *"new", "enter")
        await bench.finished(pilot)
        asked = [m.text for m in bench.pane.session.transcript.path()][::2]
        assert asked == ["hi", "new"]


async def test_ctrl_c_copies_then_stops_then_quits(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"copy me", "shift+home", "ctrl+c")
        assert bench.app.clipboard == "copy me"
        await pilot.press("end", "enter")
        await until(pilot, lambda: bench.pane.is_busy)
        await pilot.press("ctrl+c")
        await bench.finished(pilot)
        assert bench.app.is_running
        await pilot.press("ctrl+c")
        assert "again quits" in bench.notice
        await pilot.press("ctrl+c")
        await until(pilot, lambda: bench.app._exit)


async def test_ctrl_d_quits_on_an_empty_prompt_only(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press("x", "left", "ctrl+d")
        assert bench.prompt.text == ""
        assert not bench.app._exit
        await pilot.press("ctrl+d")
        await until(pilot, lambda: bench.app._exit)


async def test_model_text_and_titles_are_shown_as_text(bench: AppBench) -> None:
    bench.answers = ["[bold]x[/bold] \x1b]0;owned\x07\x1b[31mred"]
    bench.gate.open()
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"[red]title\\[/red]", "enter")
        await bench.finished(pilot)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "1 conversation" in bench.screen_text())
        text = bench.screen_text()
        assert "\x1b" not in text
        assert "[red]title" in text


async def test_the_footer_and_the_bar_fit_at_every_width(bench: AppBench) -> None:
    bench.gate.open()
    async with bench.app.run_test(size=(200, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        for width in (200, 120, 80, 60, 40, 24):
            await pilot.resize_terminal(width, 24)
            rows = bench.screen_text().splitlines()
            assert "Chat" in rows[-2]
            assert "Enter send" in rows[-1]
            assert all(len(row) <= width for row in rows)


async def test_an_answer_goes_on_under_another_screen(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        bench.gate.open(1 + 5)
        await until(pilot, lambda: bench.app.chat.query(StreamingMarkdown))
        await pilot.press("f1")
        bench.gate.open()
        await bench.finished(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert bench.app.screen.query_one(AssistantMessage).source == ANSWER
        assert "It returns the sum" in bench.screen_text()
