from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from conversation.errors import ConversationNotFound, MessageNotFound
from conversation.message import MessageStatus
from conversation.session import Session
from conversation.turn import Turn, TurnFailed, TurnState, TurnStateChanged
from engines.errors import ContextWindowExceeded, GenerationError, ModelNotFound
from engines.events import EngineFailed, GenerationFinished, ModelLoaded, TextChunk
from engines.scripted import Gate
from engines.thread import EngineState
from tests.conversation.desk import CHAT, CODING, Desk


def states(turn: Turn) -> list[TurnState]:
    return [event.state for event in turn.drain() if isinstance(event, TurnStateChanged)]


def wait_until_generating(turn: Turn, tokens: int) -> None:
    while turn.generated_tokens < tokens:
        assert not turn.wait(0.005)


def test_a_message_sent_before_the_model_is_there_waits_for_it(desk: Desk) -> None:
    may_load = threading.Event()
    desk.add_engine("Hello you.").before_load = lambda: may_load.wait(10)
    session = desk.session()
    turn = session.send("Hello")
    assert session.engine_state is EngineState.LOADING
    assert turn.state is TurnState.LOADING
    may_load.set()
    assert turn.wait(10)
    assert states(turn) == [
        TurnState.LOADING,
        TurnState.PREFILL,
        TurnState.DECODE,
        TurnState.FINISHED,
    ]
    assert session.model_info is not None
    assert isinstance(session.drain_load_events()[-1], ModelLoaded)


def test_a_finished_turn_knows_its_figures(desk: Desk) -> None:
    engine = desk.add_engine("Hello there, you.")
    session = Session(desk.store, desk.pool, CHAT, memory_bandwidth_bytes_per_s=1e9)
    turn = session.send("Hello")
    assert turn.wait(10)
    finished = engine.finished[0]
    assert turn.stats is not None
    assert session.model_info is not None
    length = len(finished.token_ids)
    read_bytes = session.model_info.weights_bytes + session.model_info.kv_cache_bytes(length)
    assert turn.stats.bandwidth_ceiling_tps == 1e9 / read_bytes
    assert turn.generated_tokens == finished.stats.generated_tokens
    assert turn.context_tokens == length
    assert turn.ttft_s is not None
    assert turn.prefill is not None
    assert turn.prefill.done_tokens == finished.stats.prompt_tokens
    reported = [event for event in turn.drain() if isinstance(event, GenerationFinished)]
    assert reported[0].stats == turn.stats
    answer = session.transcript.path()[-1]
    assert answer.status is MessageStatus.COMPLETE
    assert (answer.profile, answer.model) == ("chat", "small")
    assert answer.stats == turn.stats.to_json()


def test_the_text_of_the_events_is_the_answer(desk: Desk) -> None:
    desk.add_engine("<think>Hm.</think>Hello there.")
    turn = desk.session().send("Hello")
    assert turn.wait(10)
    texts = [event.text for event in turn.drain() if isinstance(event, TextChunk)]
    assert "".join(texts) == "Hm.Hello there."
    assert (turn.answer().reasoning, turn.answer().text) == ("Hm.", "Hello there.")


def test_messages_are_answered_in_the_order_they_were_sent(desk: Desk) -> None:
    gate = Gate()
    desk.add_engine("A.", "B.", "C.", gate=gate)
    session = desk.session()
    turns = [session.send(text) for text in ("one", "two", "three")]
    assert session.turns == turns
    assert [turn.state for turn in turns[1:]] == [TurnState.QUEUED] * 2
    gate.open()
    assert all(turn.wait(10) for turn in turns)
    assert not session.is_busy
    assert [message.text for message in session.transcript.path()] == [
        "one", "A.", "two", "B.", "three", "C.",
    ]  # fmt: skip


def test_a_waiting_message_can_be_stopped_alone(desk: Desk) -> None:
    gate = Gate()
    engine = desk.add_engine("A.", "C.", gate=gate)
    session = desk.session()
    first, second, third = (session.send(text) for text in ("one", "two", "three"))
    second.stop()
    assert second.wait(10)
    assert second.state is TurnState.CANCELLED
    assert session.turns == [first, third]
    gate.open()
    assert first.wait(10)
    assert third.wait(10)
    assert len(engine.requests) == 2


def test_stopping_while_the_model_loads_is_immediate(desk: Desk) -> None:
    may_load = threading.Event()
    engine = desk.add_engine("Hello.")
    engine.before_load = lambda: may_load.wait(10)
    session = desk.session()
    turn = session.send("Hello")
    session.stop()
    assert turn.wait(10)
    assert session.engine_state is EngineState.LOADING
    assert turn.state is TurnState.CANCELLED
    may_load.set()
    assert session.send("Again").wait(10)
    assert len(engine.requests) == 1


def test_stopping_in_prefill_ends_the_turn_without_an_answer(desk: Desk) -> None:
    desk.add_engine("one two", gate=Gate())
    session = desk.session()
    turn = session.send("count")
    while turn.state is not TurnState.PREFILL:
        assert not turn.wait(0.005)
    session.stop()
    assert turn.is_stopping
    assert turn.wait(10)
    assert turn.answer().parts == ()
    assert turn.answer().status is MessageStatus.CANCELLED


def test_stopping_in_decode_keeps_what_came(desk: Desk) -> None:
    gate = Gate(tokens=3)
    desk.add_engine("one two three four", gate=gate)
    session = desk.session()
    turn = session.send("count")
    wait_until_generating(turn, 2)
    session.stop()
    assert turn.wait(10)
    assert turn.answer().text == "one two"
    assert turn.state is TurnState.CANCELLED
    assert turn.stats is not None


def test_switching_the_profile_leaves_the_running_turn_alone(desk: Desk) -> None:
    gate = Gate()
    small = desk.add_engine("From small.", gate=gate)
    large = desk.add_engine("From large.", model="large")
    session = desk.session(CHAT)
    running = session.send("one")
    session.use_profile(CODING)
    following = session.send("two")
    gate.open()
    assert following.wait(10)
    assert running.answer().text == "From small."
    assert following.answer().text == "From large."
    assert (len(small.requests), len(large.requests)) == (1, 1)
    assert small.requests[0].cache_key != large.requests[0].cache_key


def test_a_second_session_on_the_same_model_hears_that_it_is_loaded(desk: Desk) -> None:
    may_load = threading.Event()
    desk.add_engine("Hello.").before_load = lambda: may_load.wait(10)
    first, second = desk.session(), desk.session()
    may_load.set()
    assert first.send("Hello").wait(10)
    assert second.send("Hello").wait(10)
    for session in (first, second, desk.session()):
        loaded = [e for e in session.drain_load_events() if isinstance(e, ModelLoaded)]
        assert len(loaded) == 1


def test_a_model_that_does_not_load_fails_the_turn_and_can_be_tried_again(desk: Desk) -> None:
    engine = desk.add_engine("Hello.")

    def refuse() -> None:
        raise ModelNotFound("There is no such model.", "Choose another one.")

    engine.before_load = refuse
    session = desk.session()
    turn = session.send("Hello")
    assert turn.wait(10)
    assert turn.error is not None
    assert (turn.error.message, turn.error.hint) == (
        "There is no such model.",
        "Choose another one.",
    )
    assert isinstance(turn.drain()[-2], TurnFailed)
    assert session.engine_state is EngineState.FAILED
    assert isinstance(session.drain_load_events()[-1], EngineFailed)
    assert session.transcript.path()[0].text == "Hello"
    engine.before_load = lambda: None
    again = session.send("Hello again")
    assert again.wait(10)
    assert again.answer().text == "Hello."
    assert session.load_failure is None


def test_a_profile_whose_engine_is_missing_fails_the_turn(desk: Desk) -> None:
    session = desk.session(replace(CHAT, engine="abacus"))
    assert session.engine_state is EngineState.FAILED
    turn = session.send("Hello")
    assert turn.wait(10)
    assert turn.error is not None
    assert "abacus" in turn.error.message


def test_a_template_that_raises_fails_the_turn(desk: Desk) -> None:
    desk.add_engine("Hello.", template="{{ raise_exception('no') }}")
    turn = desk.session().send("Hello")
    assert turn.wait(10)
    assert turn.error is not None
    assert "template" in turn.error.message


def test_an_answer_that_fails_half_way_keeps_its_text(desk: Desk) -> None:
    engine = desk.add_engine("one two three")
    profile = replace(CHAT, options=(("fail_after", "2"),))
    session = desk.session(profile)
    turn = session.send("count")
    assert turn.wait(10)
    assert turn.state is TurnState.FAILED
    assert turn.answer().text == "one two"
    stored = desk.store.load(session.conversation_id).transcript.path()[-1]
    assert stored == turn.answer()
    assert stored.error is not None
    assert engine.finished == []


def test_a_prompt_that_is_refused_is_tried_once_more_with_less_history(desk: Desk) -> None:
    engine = desk.add_engine("Yes.")
    session = desk.session()
    for text in ("one", "two", "three", "four"):
        assert session.send(text).wait(10)
    engine.refusals = [ContextWindowExceeded(5000, 4096)]
    turn = session.send("five")
    assert turn.wait(10)
    assert turn.error is None
    assert turn.dropped is not None
    assert turn.dropped.turns == 2


def test_a_prompt_that_is_refused_twice_fails_with_the_numbers(desk: Desk) -> None:
    engine = desk.add_engine("Yes.")
    session = desk.session()
    for text in ("one", "two", "three"):
        assert session.send(text).wait(10)
    engine.refusals = [ContextWindowExceeded(5000, 4096)] * 2
    turn = session.send("four")
    assert turn.wait(10)
    assert turn.error is not None
    assert "5,000" in turn.error.message
    assert "4,096" in turn.error.message
    assert len(engine.requests) == 5


def test_a_message_longer_than_the_window_fails_with_the_numbers(desk: Desk) -> None:
    session = desk.session(replace(CHAT, context_window_tokens=64))
    assert session.send("short").wait(10)
    turn = session.send("long " * 100)
    assert turn.wait(10)
    assert turn.error is not None
    assert "64" in turn.error.message
    assert turn.text == "long " * 100


def test_another_answer_stands_beside_the_first(desk: Desk) -> None:
    desk.add_engine("A.", "B.")
    session = desk.session()
    first = session.send("one")
    second = session.regenerate()
    assert second.wait(10)
    siblings = session.transcript.siblings(second.message_id)
    assert [message.text for message in siblings] == ["A.", "B."]
    session.select(first.message_id)
    assert session.transcript.path()[-1].text == "A."
    again = desk.session(conversation_id=session.conversation_id)
    assert again.transcript.path()[-1].text == "A."


def test_only_the_users_messages_can_be_edited(desk: Desk) -> None:
    session = desk.session()
    with pytest.raises(MessageNotFound):
        session.regenerate()
    turn = session.send("one")
    assert turn.wait(10)
    with pytest.raises(MessageNotFound):
        session.edit(turn.message_id, "no")


def test_a_conversation_is_stored_with_its_first_message(desk: Desk) -> None:
    session = desk.session()
    assert desk.store.list_conversations() == []
    assert session.send("Write a poem\nabout rain").wait(10)
    assert [c.title for c in desk.store.list_conversations()] == ["Write a poem"]
    session.rename("Rain")
    assert [c.title for c in desk.store.list_conversations()] == ["Rain"]
    again = desk.session(conversation_id=session.conversation_id)
    assert again.title == "Rain"
    assert again.transcript.path() == session.transcript.path()


def test_an_unknown_conversation_is_refused(desk: Desk) -> None:
    with pytest.raises(ConversationNotFound):
        desk.session(conversation_id="nothing")


def test_closing_ends_every_turn(desk: Desk) -> None:
    desk.add_engine("one two", gate=Gate())
    session = desk.session()
    turns = [session.send(text) for text in ("one", "two", "three")]
    session.close()
    assert all(turn.wait(10) for turn in turns)
    assert {turn.state for turn in turns} == {TurnState.CANCELLED}


def test_closing_the_engines_ends_every_turn(desk: Desk) -> None:
    desk.add_engine("one two", gate=Gate())
    running = desk.session().send("one")
    while running.prefill is None:
        assert not running.wait(0.005)
    waiting = desk.session().send("one")
    assert desk.pool.close(10)
    assert running.wait(10)
    assert waiting.wait(10)
    assert running.state is TurnState.CANCELLED
    assert waiting.error is not None
    assert "closed" in waiting.error.message


def test_an_engine_that_cannot_count_fails_the_turn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = desk.add_engine("Yes.")

    def break_down(*args: object) -> None:
        raise GenerationError("The GPU is gone.", "Start again.")

    monkeypatch.setattr(engine, "count_tokens", break_down)
    turn = desk.session().send("one")
    assert turn.wait(10)
    assert turn.error is not None
    assert turn.error.message == "The GPU is gone."
