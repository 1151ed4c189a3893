"""Prompts as the engine gets them: what it has seen comes back as the same tokens."""

from __future__ import annotations

from dataclasses import replace

from conversation.message import AttachmentPart, MessageStatus
from conversation.session import Session
from engines.scripted import Gate
from engines.types import GenerationRequest
from tests.conversation.desk import CHAT, CODING, Desk, NotingEngine
from tests.conversation.templates import SHOUTS


def ask(session: Session, text: str) -> None:
    turn = session.send(text)
    assert turn.wait(10)
    assert turn.error is None


def known_ids(request: GenerationRequest) -> tuple[int, ...]:
    """The token ids a prompt begins with, up to its first text."""
    ids: list[int] = []
    for segment in request.prompt:
        if isinstance(segment, str):
            break
        ids += segment
    return tuple(ids)


def texts(request: GenerationRequest) -> list[str]:
    return [segment for segment in request.prompt if isinstance(segment, str)]


def test_every_prompt_begins_with_the_tokens_of_the_turn_before(desk: Desk) -> None:
    engine = desk.add_engine("First answer.", "<think>\nhm\n</think>\nSecond", "Third", "Fourth")
    session = desk.session()
    for text in ("one", "two", "three", "four", "five"):
        ask(session, text)
    for before, request in zip(engine.finished, engine.requests[1:], strict=False):
        assert known_ids(request) == before.token_ids
        assert len(texts(request)) == 1
    assert [f.stats.cached_tokens for f in engine.finished[1:]] == [
        len(f.token_ids) for f in engine.finished[:-1]
    ]


def test_a_restart_keeps_the_tokens(desk: Desk) -> None:
    engine = desk.add_engine("First answer.", "Second answer.")
    session = desk.session()
    ask(session, "one")
    desk.restart()
    ask(desk.session(conversation_id=session.conversation_id), "two")
    assert known_ids(engine.requests[1]) == engine.finished[0].token_ids


def test_another_profile_gets_text_and_the_first_one_its_own_tokens_back(desk: Desk) -> None:
    small = desk.add_engine("<think>Let me see.</think>From small.")
    large = desk.add_engine("From large.", model="large")
    session = desk.session(CHAT)
    ask(session, "one")
    session.use_profile(CODING)
    ask(session, "two")
    session.use_profile(CHAT)
    ask(session, "three")
    assert known_ids(large.requests[0]) == ()
    assert texts(large.requests[0]) == [
        "<|system|>\nWrite code.<|end|>\n<|user|>\none<|end|>\n<|assistant|>\nFrom small.",
        "<|end|>\n<|user|>\ntwo<|end|>\n<|assistant|>\n",
    ]
    assert known_ids(small.requests[1]) == small.finished[0].token_ids
    assert texts(small.requests[1]) == [
        "<|end|>\n<|user|>\ntwo<|end|>\n<|assistant|>\nFrom large.",
        "<|end|>\n<|user|>\nthree<|end|>\n<|assistant|>\n",
    ]


def test_text_from_another_profile_is_tokens_from_the_second_time_on(desk: Desk) -> None:
    desk.add_engine("From small.")
    large = desk.add_engine("From large.", model="large")
    session = desk.session(CHAT)
    ask(session, "one")
    session.use_profile(CODING)
    ask(session, "two")
    ask(session, "three")
    assert known_ids(large.requests[1]) == large.finished[0].token_ids


def test_another_system_prompt_shares_no_tokens(desk: Desk) -> None:
    engine = desk.add_engine("Yes.")
    session = desk.session(CHAT)
    ask(session, "one")
    session.use_profile(replace(CHAT, system_prompt="Be short."))
    ask(session, "two")
    assert known_ids(engine.requests[1]) == ()


def test_editing_the_third_message_keeps_the_tokens_of_the_first_two(desk: Desk) -> None:
    engine = desk.add_engine("A.", "B.", "C.", "D.")
    session = desk.session()
    for text in ("one", "two", "three"):
        ask(session, text)
    third = session.transcript.path()[4]
    assert session.edit(third.id, "tree").wait(10)
    assert known_ids(engine.requests[3]) == engine.finished[1].token_ids
    assert [m.text for m in session.transcript.path()] == ["one", "A.", "two", "B.", "tree", "D."]
    assert [m.text for m in session.transcript.siblings(third.id)] == ["three", "tree"]


def test_a_stopped_answer_is_history_like_any_other(desk: Desk) -> None:
    gate = Gate()
    engine = desk.add_engine("one two three four five six", "Yes.", gate=gate)
    session = desk.session()
    turn = session.send("count")
    gate.open(4)
    wait_for_text(engine, turn_tokens=3, session=session)
    session.stop()
    assert turn.wait(10)
    assert turn.answer().status is MessageStatus.CANCELLED
    assert turn.answer().text == "one two three"
    gate.open()
    ask(session, "go on")
    assert known_ids(engine.requests[1]) == engine.finished[0].token_ids
    assert engine.finished[1].stats.cached_tokens == len(engine.finished[0].token_ids)


def wait_for_text(engine: NotingEngine, turn_tokens: int, session: Session) -> None:
    turn = session.turns[0]
    while turn.generated_tokens < turn_tokens:
        assert not turn.wait(0.005)


def test_a_failed_question_without_an_answer_is_not_asked_again(desk: Desk) -> None:
    engine = desk.add_engine("Yes.")
    profile = replace(CHAT, context_window_tokens=50)
    session = desk.session(profile)
    turn = session.send("far too long " * 40)
    assert turn.wait(10)
    assert turn.error is not None
    ask(session, "short")
    assert "far too long" not in "".join(texts(engine.requests[-1]))
    assert "<|user|>\nshort" in texts(engine.requests[-1])[0]


def test_attachments_come_fenced_and_named_before_the_text(desk: Desk) -> None:
    engine = desk.add_engine("Yes.")
    session = desk.session(replace(CHAT, system_prompt=""))
    attachment = AttachmentPart("notes\n.md", "```\ncode\n```", 12)
    assert session.send("Explain", [attachment]).wait(10)
    assert texts(engine.requests[0]) == [
        "<|user|>\nFile notes.md:\n````\n```\ncode\n```\n````\n\nExplain<|end|>\n<|assistant|>\n"
    ]


def test_a_template_without_turn_boundaries_is_rendered_whole(desk: Desk) -> None:
    engine = desk.add_engine("Yes.", template=SHOUTS)
    session = desk.session()
    ask(session, "one")
    ask(session, "two")
    assert engine.requests[1].prompt == (
        "user: BE KIND.\n\nONE\nassistant: YES.\nuser: TWO\nassistant: ",
    )


def test_a_full_window_drops_old_turns_in_big_steps_and_says_so(desk: Desk) -> None:
    engine = desk.add_engine("word " * 10)
    session = desk.session(replace(CHAT, context_window_tokens=400))
    for number in range(30):
        ask(session, f"question {number}")
        assert len(engine.finished[-1].token_ids) <= 400
        assert "question" in texts(engine.requests[-1])[-1]
    rebuilt = [r for r in engine.requests[1:] if not known_ids(r)]
    assert 2 <= len(rebuilt) <= 5
    assert all(texts(r)[0].startswith("<|system|>\nBe kind.") for r in rebuilt)


def test_what_was_dropped_is_known_to_the_turn(desk: Desk) -> None:
    desk.add_engine("word " * 10)
    session = desk.session(replace(CHAT, context_window_tokens=100))
    for number in range(6):
        turn = session.send(f"question {number}")
        assert turn.wait(10)
    assert turn.dropped is not None
    assert turn.dropped in turn.drain()
    assert turn.dropped.turns >= 2
    assert turn.dropped.tokens > 0
    assert turn.dropped.context_window_tokens == 100


def test_a_template_rendered_whole_drops_by_estimate(desk: Desk) -> None:
    engine = desk.add_engine("word " * 10, template=SHOUTS)
    session = desk.session(replace(CHAT, context_window_tokens=120))
    beginnings = []
    for number in range(12):
        turn = session.send(f"question {number}")
        assert turn.wait(10)
        assert turn.error is None
        beginnings.append(texts(engine.requests[-1])[0].splitlines()[2])
    assert turn.dropped is not None
    assert turn.dropped.is_estimate
    assert 2 <= len(set(beginnings)) <= 8
