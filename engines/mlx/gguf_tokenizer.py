"""The byte-level BPE tokenizer that a GGUF file carries in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import mlx.core as mx
import tokenizers
from tokenizers import AddedToken, Regex, models, pre_tokenizers

from engines.errors import ModelLoadError
from engines.mlx.tokenizer import Tokenizer, byte_level_piece, known_stop_ids

_CONTRACTIONS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT_2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_QWEN_2 = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
_QWEN_35 = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
_LLAMA_3 = _QWEN_2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")

_PATTERNS: dict[str, tuple[str, ...]] = {
    "gpt-2": (_GPT_2,),
    "qwen2": (_QWEN_2,),
    "deepseek-r1-qwen": (_QWEN_2,),
    "qwen35": (_QWEN_35,),
    "llama-bpe": (_LLAMA_3,),
    "llama3": (_LLAMA_3,),
    "llama-v3": (_LLAMA_3,),
    "falcon3": (_LLAMA_3,),
    "smollm": (r"\p{N}", _GPT_2),
    "starcoder": (r"\p{N}", _GPT_2),
}
"""How `tokenizer.ggml.pre` cuts text into words, the same patterns as in llama.cpp."""

_WHOLE_WORDS_FIRST = {"llama-bpe", "llama3", "llama-v3", "falcon3"}


class TokenType(IntEnum):
    CONTROL = 3
    USER_DEFINED = 4


def read_tokenizer(metadata: Mapping[str, Any]) -> Tokenizer:
    """Build the tokenizer from the metadata that `mx.load` returns for a GGUF file.

    Raises:
        ModelLoadError: the vocabulary is missing, damaged, or of a kind that is not known here.
    """
    texts = metadata.get("tokenizer.ggml.tokens")
    types = _numbers(metadata, "tokenizer.ggml.token_type")
    if not isinstance(texts, list) or len(texts) < 2 or len(types) not in (0, len(texts)):
        raise ModelLoadError(
            "The GGUF file carries no usable vocabulary.", "Download a complete build of the model."
        )
    types = types or [0] * len(texts)
    special_ids = {
        index for index, kind in enumerate(types) if kind in tuple(TokenType) and texts[index]
    }
    control_ids = {index for index in special_ids if types[index] == TokenType.CONTROL}
    pieces = [
        text.encode() if index in special_ids else byte_level_piece(text)
        for index, text in enumerate(texts)
    ]
    bos_id, eos_id = (_number(metadata, f"tokenizer.ggml.{end}_token_id") for end in ("bos", "eos"))
    return Tokenizer(
        encoder=_encoder(metadata, texts, special_ids),
        token_texts=texts,
        pieces=pieces,
        stop_ids=_stop_ids(metadata, texts, control_ids),
        chat_template=str(metadata.get("tokenizer.chat_template", "")),
        bos_token=_text(texts, bos_id),
        eos_token=_text(texts, eos_id),
    )


def _encoder(
    metadata: Mapping[str, Any], texts: list[str], special_ids: set[int]
) -> tokenizers.Tokenizer:
    model, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "")
    patterns = _PATTERNS.get(str(pre))
    if model != "gpt2" or patterns is None:
        raise ModelLoadError(
            f"The GGUF file has a tokenizer of the kind {model}/{pre}, which the MLX engine does"
            " not know.",
            "Open this file with the llama.cpp engine, or use an MLX version of the model.",
        )
    merges = [tuple(merge.split(" ", 1)) for merge in metadata.get("tokenizer.ggml.merges", [])]
    vocabulary = {text: index for index, text in reversed(list(enumerate(texts)))}
    try:
        bpe = models.BPE(vocabulary, merges, ignore_merges=pre in _WHOLE_WORDS_FIRST)
        encoder = tokenizers.Tokenizer(bpe)
    except Exception as error:  # the library raises bare Exception
        raise ModelLoadError(
            f"The GGUF file's vocabulary is damaged: {error}.", "Download the file again."
        ) from error
    words = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    encoder.pre_tokenizer = pre_tokenizers.Sequence([*words, byte_level])
    special = [AddedToken(texts[index], special=True, normalized=False) for index in special_ids]
    encoder.add_special_tokens(special)
    return encoder


def _stop_ids(
    metadata: Mapping[str, Any], texts: list[str], control_ids: set[int]
) -> frozenset[int]:
    declared = {
        _number(metadata, f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")
    }
    known = known_stop_ids({index: texts[index] for index in control_ids})
    return frozenset({index for index in declared if index is not None} | known)


def _text(texts: list[str], token_id: int | None) -> str:
    return texts[token_id] if token_id is not None and 0 <= token_id < len(texts) else ""


def _number(metadata: Mapping[str, Any], key: str) -> int | None:
    numbers = _numbers(metadata, key)
    return numbers[0] if len(numbers) == 1 else None


def _numbers(metadata: Mapping[str, Any], key: str) -> list[int]:
    value = metadata.get(key)
    if not isinstance(value, mx.array):
        return []
    numbers: Any = value.reshape(-1).tolist()
    return [int(number) for number in numbers]
