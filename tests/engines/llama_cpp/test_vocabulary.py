from __future__ import annotations

import pytest

from engines.errors import GenerationError
from engines.llama_cpp.vocabulary import Vocabulary
from tests.engines.llama_cpp.pair import DemoPair

pytestmark = pytest.mark.model


@pytest.fixture
def vocabulary(pair: DemoPair) -> Vocabulary:
    return pair.loaded.model.vocabulary


CODE = "def add(a, b):\n    return a + b"


@pytest.mark.parametrize("text", ["", CODE, "naïve 你好 🚀", "#" * 80, " " * 64 + "x", "\x00\x1b["])
def test_bytes_survive_the_round_trip(vocabulary: Vocabulary, text: str) -> None:
    assert b"".join(map(vocabulary.piece, vocabulary.tokenize(text))) == text.encode()


def test_every_token_has_its_whole_piece(vocabulary: Vocabulary) -> None:
    vocabulary._buffer = type(vocabulary._buffer)()
    whole = [vocabulary.piece(token_id) for token_id in range(vocabulary.size)]
    assert max(map(len, whole)) > 8
    assert all(whole)


def test_special_tokens_are_recognised_and_none_is_added(vocabulary: Vocabulary) -> None:
    ids = vocabulary.tokenize("<|im_end|>")
    assert len(ids) == 1
    assert vocabulary.ends_generation(ids[0])
    assert vocabulary.piece(ids[0]) == b"<|im_end|>"
    assert vocabulary.eos_text == "<|im_end|>"
    assert not vocabulary.ends_generation(vocabulary.tokenize("x")[0])


def test_a_prompt_is_encoded_segment_by_segment(vocabulary: Vocabulary) -> None:
    ids, counts = vocabulary.encode(("<|im_start|>user\n", (5, 6, 7), "", "hello"))
    assert counts[1:3] == [3, 0]
    assert sum(counts) == len(ids)
    assert ids[counts[0] : counts[0] + 3] == [5, 6, 7]


@pytest.mark.parametrize("token_id", [-1, 8192, 2**40])
def test_foreign_token_ids_are_refused(vocabulary: Vocabulary, token_id: int) -> None:
    with pytest.raises(GenerationError):
        vocabulary.encode(((token_id,),))


def test_lone_surrogates_do_not_raise(vocabulary: Vocabulary) -> None:
    assert vocabulary.tokenize("a\ud800b")
