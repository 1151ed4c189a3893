"""A model's vocabulary as the grammar needs it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence

import llguidance

from engines.errors import GenerationError

Tokenize = Callable[[str], Sequence[int]]


class GrammarVocabulary:
    """Made once per loaded model: for 150,000 tokens it takes about a second.

    Args:
        pieces: The bytes of every token, by id.
        special_ids: Tokens that are no text of an answer.
        stop_ids: Tokens that end an answer.
        tokenize: The model's own; what the grammar forces is written in these tokens.

    Raises:
        GenerationError: no token ends an answer, so that an answer could not end.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        special_ids: Sequence[int],
        stop_ids: Sequence[int],
        tokenize: Tokenize,
    ) -> None:
        if not stop_ids:
            raise GenerationError(
                "This model has no token that ends an answer, which a constraint needs.",
                "Choose a chat or instruct model.",
            )
        self.pieces = pieces
        self.stop_ids = frozenset(stop_ids)
        self.tokenize = tokenize
        self.tokenizer = llguidance.LLTokenizer(
            llguidance.TokenizerWrapper(_Tokens(self, special_ids)), eos_token=sorted(stop_ids)
        )


class _Tokens:
    """What `llguidance` asks of a tokenizer."""

    def __init__(self, vocabulary: GrammarVocabulary, special_ids: Sequence[int]) -> None:
        self.tokens = vocabulary.pieces
        self.special_token_ids = sorted(special_ids)
        self.eos_token_id = min(vocabulary.stop_ids)
        self.bos_token_id = None
        self._vocabulary = weakref.ref(vocabulary)  # a cycle through Rust would never end
        self._special = frozenset(special_ids)

    def __call__(self, text: bytes) -> list[int]:
        """Tokens that stand for exactly `text`; the longest ones where the model's do not."""
        vocabulary = self._vocabulary()
        if vocabulary is None:
            return []
        ids = list(vocabulary.tokenize(text.decode("utf-8", "replace")))
        is_exact = b"".join(self.tokens[token_id] for token_id in ids) == text
        if is_exact and self._special.isdisjoint(ids):
            return ids
        tokenizer = getattr(vocabulary, "tokenizer", None)  # asked once before there is one
        return tokenizer.greedy_tokenize(text.decode("utf-8", "replace")) if tokenizer else []
