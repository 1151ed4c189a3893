"""Which tokens may come next, on a vocabulary of a few words."""

from __future__ import annotations

import gc
import random
import weakref

import pytest

from engines.errors import GenerationError
from engines.grammar.answer_form import AnswerForm
from engines.grammar.vocabulary import GrammarVocabulary
from engines.types import Constraint, ConstraintKind, GenerationRequest

TAGS = ("<think>", "</think>")
SPECIAL = [b"<end>", b"<stop>", b"<think>", b"</think>"]
END, STOP, THINK, END_OF_THINK = range(4)
WORDS = [b"yes", b"no", b"ye", b"s", b" ", b"maybe", b""]
PIECES = [*SPECIAL, *WORDS, *(bytes([byte]) for byte in range(256))]
YES, NO, YE, S, SPACE, MAYBE = range(4, 10)
SIZE = len(PIECES)


def tokenize(text: str) -> list[int]:
    """The longest piece first."""
    ids = []
    rest = text.encode()
    while rest:
        piece = max((piece for piece in PIECES if piece and rest.startswith(piece)), key=len)
        ids.append(PIECES.index(piece))
        rest = rest[len(piece) :]
    return ids


VOCABULARY = GrammarVocabulary(PIECES, range(len(SPECIAL)), [END, STOP], tokenize)


def form(grammar: str, prompt: str = "", tags: tuple[str, str] | None = None) -> AnswerForm:
    request = GenerationRequest((prompt,), "chat", reasoning_tags=tags)
    return AnswerForm(Constraint(ConstraintKind.GRAMMAR, grammar), VOCABULARY, request)


def allowed(form: AnswerForm, size: int = SIZE) -> set[int]:
    ids = {index for index, is_allowed in enumerate(form.allowed(size)) if is_allowed}
    assert ids == {token_id for token_id in range(size) if form.allows(token_id)}
    return ids


def test_only_what_can_go_on_is_allowed_and_then_only_the_end() -> None:
    answer = form('root ::= "yes" | "no"')
    assert allowed(answer) == {YES, NO, YE, *tokenize("y"), *tokenize("n")}
    answer.accept(YE)
    assert S in allowed(answer)
    assert END not in allowed(answer)
    answer.accept(S)
    assert allowed(answer) == {END, STOP}
    answer.accept(END)


def test_the_end_is_allowed_where_the_answer_may_end() -> None:
    answer = form('root ::= "yes"+')
    answer.accept(YES)
    assert {END, STOP, YES} <= allowed(answer)


def test_ids_beyond_the_vocabulary_are_never_allowed() -> None:
    answer = form("start: /(.|\\n)*/")
    assert max(allowed(answer, SIZE + 200)) < SIZE
    assert not answer.allows(SIZE + 100)
    assert len(answer.allowed(8)) == 8


def test_special_tokens_are_no_text() -> None:
    assert THINK not in allowed(form("start: /(.|\\n)*/"))


def test_the_constraint_begins_after_a_passage_that_the_prompt_opened() -> None:
    answer = form('root ::= "yes"', "ask<think>", TAGS)
    assert allowed(answer) == set(range(SIZE)) - {END, STOP}
    for token_id in (MAYBE, NO, *tokenize("<"), END_OF_THINK):
        answer.accept(token_id)
    assert MAYBE not in allowed(answer)
    assert YES in allowed(answer)


def test_a_closing_tag_in_several_tokens_counts() -> None:
    answer = form('root ::= "yes"', "ask<think>", TAGS)
    for token_id in [SIZE - 256 + byte for byte in b"hm</think"]:
        answer.accept(token_id)
    assert MAYBE in allowed(answer)
    answer.accept(SIZE - 256 + ord(">"))
    assert MAYBE not in allowed(answer)


def test_the_model_may_open_a_passage_where_the_prompt_left_it_open() -> None:
    answer = form('root ::= "yes"', "ask", TAGS)
    assert {THINK, YES} <= allowed(answer)
    assert MAYBE not in allowed(answer)
    answer.accept(THINK)
    assert MAYBE in allowed(answer)
    answer.accept(END_OF_THINK)
    assert THINK not in allowed(answer)
    assert YES in allowed(answer)


def test_no_passage_is_opened_where_the_prompt_closed_one_or_after_the_first_token() -> None:
    assert THINK not in allowed(form('root ::= "yes"', "ask<think>\n\n</think>\n\n", TAGS))
    answer = form('root ::= "yesno"', "ask", TAGS)
    answer.accept(YES)
    assert THINK not in allowed(answer)


@pytest.mark.parametrize("seed", range(10))
def test_any_walk_through_what_is_allowed_is_in_the_language(seed: int) -> None:
    choose = random.Random(seed)
    answer = form('root ::= ("yes" | "no") (" " ("maybe" | "no"))? " yes"')
    text = b""
    while (token_id := choose.choice(sorted(allowed(answer)))) not in (END, STOP):
        answer.accept(token_id)
        text += PIECES[token_id]
    assert text.decode() in {f"{a}{b} yes" for a in ("yes", "no") for b in ("", " maybe", " no")}


def test_a_vocabulary_goes_with_its_model() -> None:
    def tokenize_once(text: str) -> list[int]:
        return tokenize(text)

    vocabulary = GrammarVocabulary(PIECES, range(len(SPECIAL)), [END], tokenize_once)
    request = GenerationRequest(("",), "chat")
    AnswerForm(Constraint(ConstraintKind.GRAMMAR, 'root ::= "yes"'), vocabulary, request)
    model = weakref.ref(tokenize_once)
    del vocabulary, tokenize_once
    gc.collect()
    assert model() is None


def test_a_model_without_an_end_is_refused() -> None:
    with pytest.raises(GenerationError, match="ends an answer"):
        GrammarVocabulary(PIECES, [], [], tokenize)
