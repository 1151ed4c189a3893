"""A model's vocabulary: text to token ids and back, byte for byte."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engines.errors import GenerationError, IncompatibleDraftModel
from engines.llama_cpp.library import llama
from engines.types import PromptSegment

if TYPE_CHECKING:
    from engines.grammar.vocabulary import GrammarVocabulary

_PIECE_BYTES = 64
_SPARE_TOKENS = 8  # some vocabularies put a space before the text; no token is shorter than a byte
_NO_VOCABULARY = 0  # LLAMA_VOCAB_TYPE_NONE
_SIZE_DIFFERENCE = 128  # padding of the embedding table; as in llama.cpp's common/speculative.cpp
_FIRST_COMPARED = 5  # the ids before it are control tokens that families name differently


class Vocabulary:
    """Wraps the vocabulary of a loaded model, which must outlive it.

    Args:
        handle: The model's `llama_vocab *`.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.size = int(llama.llama_vocab_n_tokens(handle))
        self._pieces: dict[int, bytes] = {}
        self._endings: dict[int, bool] = {}
        self._buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        self._grammar_vocabulary: GrammarVocabulary | None = None

    @property
    def is_usable(self) -> bool:
        """False for a model without a vocabulary: the library ends the process if asked for it."""
        return self.size > 0 and llama.llama_vocab_type(self._handle) != _NO_VOCABULARY

    @property
    def bos_text(self) -> str:
        return self._text_or_nothing(llama.llama_vocab_bos(self._handle))

    @property
    def eos_text(self) -> str:
        return self._text_or_nothing(llama.llama_vocab_eos(self._handle))

    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text`; special tokens are recognised and none are added.

        Raises:
            GenerationError: the library cannot tokenize it.
        """
        encoded = text.encode("utf-8", "replace")
        capacity = len(encoded) + _SPARE_TOKENS
        ids = (ctypes.c_int32 * capacity)()
        count = llama.llama_tokenize(
            self._handle, encoded, len(encoded), ids, capacity, False, True
        )
        if count < 0:
            raise GenerationError("The text cannot be tokenized.", "Shorten it.")
        return ids[:count]

    def encode(self, prompt: Sequence[PromptSegment]) -> tuple[list[int], list[int]]:
        """Token ids of the whole prompt, and how many each segment has.

        Raises:
            GenerationError: a segment holds an id that is not in the vocabulary.
        """
        token_ids: list[int] = []
        counts: list[int] = []
        for segment in prompt:
            ids = self.tokenize(segment) if isinstance(segment, str) else segment
            if ids and not 0 <= min(ids) <= max(ids) < self.size:
                raise GenerationError(
                    "The conversation holds tokens of another model.", "Start a new chat."
                )
            token_ids += ids
            counts.append(len(ids))
        return token_ids, counts

    def piece(self, token_id: int) -> bytes:
        """Bytes of a token, special tokens as their text; may end within a character."""
        piece = self._pieces.get(token_id)
        if piece is None:
            piece = self._pieces[token_id] = self._read_piece(token_id)
        return piece

    def _read_piece(self, token_id: int) -> bytes:
        length = self._piece(token_id, self._buffer)
        if length >= 0:
            return self._buffer.raw[:length]
        buffer = ctypes.create_string_buffer(-length)
        return buffer.raw[: self._piece(token_id, buffer)]

    def ends_generation(self, token_id: int) -> bool:
        ends = self._endings.get(token_id)
        if ends is None:
            ends = bool(llama.llama_vocab_is_eog(self._handle, token_id))
            self._endings[token_id] = ends
        return ends

    def text(self, token_id: int) -> bytes:
        """The token as the vocabulary writes it."""
        return llama.llama_vocab_get_text(self._handle, token_id) or b""

    def texts(self) -> list[str]:
        return [self.text(token_id).decode("utf-8", "replace") for token_id in range(self.size)]

    def grammar_vocabulary(self) -> GrammarVocabulary:
        """The vocabulary for constraints; made once."""
        if self._grammar_vocabulary is None:
            from engines.grammar.vocabulary import GrammarVocabulary

            ids = range(self.size)
            self._grammar_vocabulary = GrammarVocabulary(
                [self.piece(token_id) for token_id in ids],
                [token_id for token_id in ids if self._is_special(token_id)],
                [token_id for token_id in ids if self.ends_generation(token_id)],
                self.tokenize,
            )
        return self._grammar_vocabulary

    def check_draft(self, draft: Vocabulary) -> None:
        """The draft's token ids must mean the same; the rule is llama.cpp's own.

        Raises:
            IncompatibleDraftModel: says in what the two differ.
        """
        if self._kind() != draft._kind():
            raise _incompatible("is of another kind")
        if abs(self.size - draft.size) > _SIZE_DIFFERENCE:
            raise _incompatible(f"has {draft.size:,} tokens instead of {self.size:,}")
        for token_id in range(_FIRST_COMPARED, min(self.size, draft.size)):
            if self.text(token_id) != draft.text(token_id):
                raise _incompatible(f"differs at token {token_id}")

    def _is_special(self, token_id: int) -> bool:
        """Control tokens, and markers such as `<tool_call>` that a vocabulary added by itself."""
        attributes = llama.llama_vocab_get_attr(self._handle, token_id)
        if attributes & (llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN):
            return True
        text = self.text(token_id)
        is_marker = text.startswith(b"<") and text.endswith(b">")
        return bool(attributes & llama.LLAMA_TOKEN_ATTR_USER_DEFINED) and is_marker

    def _kind(self) -> tuple[int, ...]:
        handle = self._handle
        adds_bos = bool(llama.llama_vocab_get_add_bos(handle))
        adds_eos = bool(llama.llama_vocab_get_add_eos(handle))
        return (
            llama.llama_vocab_type(handle),
            adds_bos,
            adds_eos,
            llama.llama_vocab_bos(handle) if adds_bos else -1,
            llama.llama_vocab_eos(handle) if adds_eos else -1,
        )

    def _piece(self, token_id: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
        return int(llama.llama_token_to_piece(self._handle, token_id, buffer, len(buffer), 0, True))

    def _text_or_nothing(self, token_id: int) -> str:
        return self.text(token_id).decode("utf-8", "replace") if token_id >= 0 else ""


def _incompatible(difference: str) -> IncompatibleDraftModel:
    return IncompatibleDraftModel(
        f"The draft model's vocabulary {difference}.",
        "Choose a draft model of the same family as the model.",
    )
