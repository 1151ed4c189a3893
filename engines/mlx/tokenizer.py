"""Text to token ids, and token ids to the exact bytes they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import tokenizers

if TYPE_CHECKING:
    from engines.grammar.vocabulary import GrammarVocabulary

END_OF_GENERATION_TEXTS = frozenset(
    {
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<end_of_turn>",
        "<turn|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|eom_id|>",
        "<|endofturn|>",
        "<EOT>",
        "_<EOT>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<end_of_utterance>",
        "[EOT]",
        "[EOS]",
    }
)
"""Special tokens that end an answer whatever the file declares, as in llama.cpp."""


def known_stop_ids(special_texts: Mapping[int, str]) -> set[int]:
    """The special tokens (text by id) that end an answer by their name alone."""
    ends = set(END_OF_GENERATION_TEXTS)
    if "<|return|>" in special_texts.values():
        ends.discard("<|end|>")  # in the harmony format this ends a passage, not the answer
    return {token_id for token_id, text in special_texts.items() if text in ends}


@dataclass(frozen=True)
class Tokenizer:
    """A model's vocabulary.

    Args:
        encoder: Does the splitting and merging.
        token_texts: Every token as its file writes it, by id.
        pieces: The bytes of every token, by id; special tokens are their own text.
        stop_ids: Tokens that end an answer.
        chat_template: Jinja source, or an empty string.
    """

    encoder: tokenizers.Tokenizer
    token_texts: Sequence[str]
    pieces: Sequence[bytes]
    stop_ids: frozenset[int]
    chat_template: str
    bos_token: str
    eos_token: str

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`: special tokens are recognized, none is added."""
        whole_characters = text.encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self.encoder.encode(whole_characters, add_special_tokens=False).ids
        return ids

    @cached_property
    def grammar_vocabulary(self) -> GrammarVocabulary:
        """The vocabulary for constraints."""
        from engines.grammar.vocabulary import GrammarVocabulary

        added = self.encoder.get_added_tokens_decoder()
        special_ids = [token_id for token_id, token in added.items() if _is_special(token)]
        return GrammarVocabulary(self.pieces, special_ids, sorted(self.stop_ids), self.encode)

    def piece(self, token_id: int) -> bytes:
        """Bytes of a token; none for an id beyond the vocabulary (padding of the output layer)."""
        return self.pieces[token_id] if token_id < len(self.pieces) else b""


def _is_special(token: tokenizers.AddedToken) -> bool:
    """Control tokens, and markers such as `<tool_call>` that are text to the file."""
    text: str = token.content
    return bool(token.special) or (text.startswith("<") and text.endswith(">"))


def byte_level_alphabet() -> dict[str, int]:
    """The printable character that stands for each byte in a byte-level vocabulary (GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = byte_level_alphabet()


def byte_level_piece(text: str) -> bytes:
    """Bytes of a byte-level token; text outside the alphabet stands for itself."""
    try:
        return bytes(_BYTES[character] for character in text)
    except KeyError:
        return text.encode("utf-8", "replace")


def sentencepiece_piece(text: str) -> bytes:
    """Bytes of a SentencePiece token: `<0x0A>` is a byte and U+2581 a space."""
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        try:
            return bytes([int(text[3:5], 16)])
        except ValueError:
            pass
    return text.replace("\u2581", " ").encode("utf-8", "replace")
