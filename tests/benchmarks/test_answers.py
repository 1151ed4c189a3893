from __future__ import annotations

import pytest

from engines.scripted import ANSWER_SEPARATOR, split_tokens
from tests.benchmarks.answers import first_word, last_word, write_answer


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("tokens", [500, 2000])
def test_an_answer_has_exactly_the_tokens_asked_for(number: int, tokens: int) -> None:
    answer = write_answer(number, tokens)
    pieces = split_tokens(answer)

    assert len(pieces) == tokens
    assert "".join(pieces) == answer
    assert pieces[-1].strip() == last_word(number)


def test_an_answer_is_always_the_same_and_holds_every_kind_of_block() -> None:
    answer = write_answer(1, 2000)

    assert answer == write_answer(1, 2000) != write_answer(2, 2000)
    assert answer.count("```") % 2 == 0
    for mark in ("\n## ", "\n- ", "\n1. ", "```python\n", "\n|---", "\n> ", "**", "`"):
        assert mark in answer
    assert answer.count(first_word(1)) == answer.count(last_word(1)) == 1
    assert ANSWER_SEPARATOR not in answer
