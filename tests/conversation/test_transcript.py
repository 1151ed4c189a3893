from __future__ import annotations

from dataclasses import replace

import pytest

from conversation.errors import MessageNotFound
from conversation.message import Message, TextPart, new_message, title_of
from conversation.transcript import Transcript
from engines.types import Role


def say(transcript: Transcript, text: str, parent_id: str | None) -> Message:
    role = Role.ASSISTANT if text.islower() else Role.USER
    message = new_message(role, [TextPart(text)], parent_id)
    transcript.append(message)
    return message


def texts(messages: list[Message]) -> str:
    return " ".join(message.text for message in messages)


@pytest.fixture
def tree() -> tuple[Transcript, dict[str, Message]]:
    """A-a-B-b with two other branches: A-a-C-c, and A-d."""
    transcript = Transcript()
    made: dict[str, Message] = {}
    for branch in ("A", "Aa", "AaB", "AaBb", "AaC", "AaCc", "Ad"):
        parent_id = made[branch[-2]].id if branch[:-1] else None
        made[branch[-1]] = say(transcript, branch[-1], parent_id)
    return transcript, made


def test_the_branch_in_view_ends_with_what_was_appended_last(
    tree: tuple[Transcript, dict[str, Message]],
) -> None:
    transcript, _ = tree
    assert texts(transcript.path()) == "A d"


def test_editing_makes_a_sibling_and_each_branch_can_be_seen(
    tree: tuple[Transcript, dict[str, Message]],
) -> None:
    transcript, made = tree
    assert texts(transcript.siblings(made["B"].id)) == "B C"
    assert texts(transcript.siblings(made["d"].id)) == "a d"
    transcript.select(made["B"].id)
    assert texts(transcript.path()) == "A a B b"
    transcript.select(made["C"].id)
    assert texts(transcript.path()) == "A a C c"


def test_selecting_shows_a_branch_as_far_as_it_was_last_seen(
    tree: tuple[Transcript, dict[str, Message]],
) -> None:
    transcript, made = tree
    transcript.select(made["B"].id)
    transcript.select(made["d"].id)
    transcript.select(made["a"].id)
    assert texts(transcript.path()) == "A a B b"


def test_editing_the_first_message_makes_a_second_root() -> None:
    transcript = Transcript()
    first = say(transcript, "A", None)
    second = say(transcript, "B", None)
    assert transcript.siblings(first.id) == [first, second]
    assert transcript.path() == [second]


def test_a_transcript_is_made_again_from_its_messages_and_leaf(
    tree: tuple[Transcript, dict[str, Message]],
) -> None:
    transcript, made = tree
    again = Transcript(transcript.messages(), made["b"].id)
    assert texts(again.path()) == "A a B b"
    assert again.siblings(made["B"].id) == transcript.siblings(made["B"].id)


def test_replacing_keeps_the_place(tree: tuple[Transcript, dict[str, Message]]) -> None:
    transcript, made = tree
    transcript.replace(replace(made["a"], parts=(TextPart("a!"),)))
    transcript.select(made["b"].id)
    assert texts(transcript.path()) == "A a! B b"


def test_unknown_messages_are_refused() -> None:
    transcript = Transcript()
    with pytest.raises(MessageNotFound):
        transcript.select("nothing")
    with pytest.raises(MessageNotFound):
        say(transcript, "A", "nothing")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Fix this\nplease", "Fix this"),
        ("\n\n  Two  words ", "Two words"),
        ("", "New chat"),
        ("word " * 20, "word " * 11 + "word…"),
        ("x" * 80, "x" * 59 + "…"),
        ("red\x1b[31m", "red [31m"),
    ],
)
def test_a_title_is_the_first_line_cut_at_a_word(text: str, title: str) -> None:
    assert title_of(text) == title
    assert len(title) <= 61
