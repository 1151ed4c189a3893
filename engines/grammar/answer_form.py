"""Holds an answer to its constraint, token by token."""

from __future__ import annotations

from enum import Enum, auto
from functools import cached_property

import llguidance
import numpy as np
from numpy.typing import NDArray

from engines.errors import GenerationError
from engines.grammar.source import compile_constraint
from engines.grammar.vocabulary import GrammarVocabulary
from engines.types import Constraint, GenerationRequest


class _Place(Enum):
    OPENING = auto()
    REASONING = auto()
    ANSWER = auto()


class AnswerForm:
    """Which tokens may come next. One per generation, told every token that is taken.

    A reasoning passage is free but for the end of the answer: the constraint begins with the first
    token after the closing tag. Where the prompt did not open or close a passage, the answer may
    begin with the opening tag, if that is a single token.

    An engine that samples asks `allows` for the token it drew, and draws again among `allowed`
    where it is refused; nothing has to be masked while the model keeps to the form by itself.

    Args:
        constraint: Raises what `compile_constraint` raises.
        request: Tells where the answer begins.
    """

    def __init__(
        self, constraint: Constraint, vocabulary: GrammarVocabulary, request: GenerationRequest
    ) -> None:
        grammar = compile_constraint(constraint)
        self._vocabulary = vocabulary
        self._matcher = llguidance.LLMatcher(vocabulary.tokenizer, grammar, log_level=0)
        self._check()
        self._bits: bytes | None = None
        self._place = _Place.REASONING if request.starts_in_reasoning else _Place.OPENING
        self._opening_id: int | None = None
        self._closing_tag = b""
        self._reasoning = b""
        if request.reasoning_tags is not None:
            opening, closing = request.reasoning_tags
            self._closing_tag = closing.encode()
            opening_ids = vocabulary.tokenize(opening)
            if request.may_open_reasoning and len(opening_ids) == 1:
                self._opening_id = opening_ids[0]

    def prepare(self) -> None:
        """Work out what may come next, while the model still computes."""
        if self._place is not _Place.REASONING:
            self._next_bits()

    def allows(self, token_id: int) -> bool:
        if self._place is _Place.REASONING:
            return token_id not in self._vocabulary.stop_ids
        if self._place is _Place.OPENING and token_id == self._opening_id:
            return True
        bits = self._next_bits()
        return token_id >> 3 < len(bits) and bool(bits[token_id >> 3] >> (token_id & 7) & 1)

    def allowed(self, vocabulary_size: int) -> NDArray[np.bool_]:
        """For every id of the output layer: may it come next? At least one may."""
        if self._place is _Place.REASONING:
            return self._text_ids[:vocabulary_size].copy()
        unpacked = np.unpackbits(np.frombuffer(self._next_bits(), np.uint8), bitorder="little")
        allowed = np.zeros(vocabulary_size, np.bool_)
        count = min(vocabulary_size, unpacked.size)
        allowed[:count] = unpacked[:count]
        if self._place is _Place.OPENING and self._opening_id is not None:
            allowed[self._opening_id] = True
        return allowed

    def accept(self, token_id: int) -> None:
        """The next token is `token_id`, which is allowed.

        Raises:
            GenerationError: the constraint became too complex to follow.
        """
        if self._place is _Place.OPENING:
            opens = token_id == self._opening_id
            self._place = _Place.REASONING if opens else _Place.ANSWER
            if opens:
                return
        if self._place is _Place.REASONING:
            self._accept_reasoning(token_id)
            return
        self._bits = None
        self._matcher.consume_token(token_id)
        if token_id not in self._vocabulary.stop_ids:
            self._check()

    def _accept_reasoning(self, token_id: int) -> None:
        self._reasoning += self._vocabulary.pieces[token_id]
        if self._closing_tag in self._reasoning:
            self._place = _Place.ANSWER
        self._reasoning = self._reasoning[-len(self._closing_tag) :]

    @cached_property
    def _text_ids(self) -> NDArray[np.bool_]:
        text_ids = np.ones(len(self._vocabulary.pieces), np.bool_)
        text_ids[list(self._vocabulary.stop_ids)] = False
        return text_ids

    def _next_bits(self) -> bytes:
        """One bit per token, the lowest bit of the first byte first."""
        if self._bits is None:
            self._bits = self._matcher.compute_bitmask()
            self._check()
        return self._bits

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = self._matcher.get_error().partition("\n")[0][:200]
            raise GenerationError(
                f"The answer's constraint cannot be followed: {reason}.", "Simplify it."
            )
