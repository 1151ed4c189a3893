from __future__ import annotations

import random

import pytest

from engines.events import TextKind
from engines.text_stream import TextStream

THINK = ("<think>", "</think>")
CALL = ("<tool_call>", "</tool_call>")


def run(stream: TextStream, pieces: list[bytes]) -> list[tuple[str, str]]:
    """Joined text by kind, in order."""
    joined: list[tuple[str, str]] = []
    segments = [segment for piece in pieces for segment in stream.feed(piece)] + stream.flush()
    for segment in segments:
        if joined and joined[-1][1] == segment.kind:
            joined[-1] = (joined[-1][0] + segment.text, segment.kind)
        else:
            joined.append((segment.text, segment.kind))
    return joined


def cut(data: bytes, rng: random.Random) -> list[bytes]:
    places = sorted(rng.sample(range(1, len(data)), rng.randrange(0, len(data) - 1)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(40))
def test_the_cut_of_the_tokens_does_not_change_the_text(seed: int) -> None:
    text = (
        "<think>\nUm… 🚀 <thin> is no tag</think>\n\nSay 你好 <b>.\n<tool_call>\n{}</tool_call> end"
    )
    stream = TextStream((), THINK, CALL)
    assert run(stream, cut(text.encode(), random.Random(seed))) == [
        ("Um… 🚀 <thin> is no tag", TextKind.REASONING),
        ("Say 你好 <b>.\n", TextKind.ANSWER),
        ("{}", TextKind.TOOL_CALL),
        (" end", TextKind.ANSWER),
    ]
    assert stream.tool_call_texts == ["{}"]


@pytest.mark.parametrize("seed", range(20))
def test_a_stop_text_ends_the_stream_and_never_leaks(seed: int) -> None:
    stream = TextStream(("\n\nUser:", "STOP"))
    pieces = cut(b"one\n\nUse it\n\nUser: two STOP", random.Random(seed))
    assert run(stream, pieces) == [("one\n\nUse it", TextKind.ANSWER)]
    assert stream.stopped


def test_half_a_stop_text_is_text_when_the_answer_ends() -> None:
    stream = TextStream(("STOP",))
    assert run(stream, [b"a ST", b"O"]) == [("a STO", TextKind.ANSWER)]
    assert not stream.stopped


def test_torn_characters_wait_for_their_other_half() -> None:
    stream = TextStream()
    rocket = "🚀".encode()
    assert stream.feed(rocket[:2]) == []
    assert [segment.text for segment in stream.feed(rocket[2:])] == ["🚀"]


def test_a_character_that_never_ends_is_replaced() -> None:
    assert run(TextStream(), [b"a", b"\xf0\x9f"]) == [("a\ufffd", TextKind.ANSWER)]


def test_an_empty_reasoning_passage_leaves_no_text() -> None:
    stream = TextStream((), THINK)
    assert run(stream, [b"<think>\n\n</think>\n\nHello"]) == [("Hello", TextKind.ANSWER)]


def test_reasoning_that_the_prompt_opened() -> None:
    stream = TextStream((), THINK, starts_in_reasoning=True)
    assert run(stream, [b"so", b"</think>", b"yes"]) == [
        ("so", TextKind.REASONING),
        ("yes", TextKind.ANSWER),
    ]


def test_text_that_cannot_become_a_marker_is_not_held_back() -> None:
    stream = TextStream(("STOP",), THINK)
    assert [segment.text for segment in stream.feed(b"a < b")] == ["a < b"]
