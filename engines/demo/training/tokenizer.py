"""The byte-level BPE that both models share, with Qwen's pre-tokenizer and ChatML tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from engines.demo.training.chat import CONTROL_TOKENS, TAG_TOKENS

VOCABULARY_TOKENS = 8192
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ENCODE_BATCH = 20_000


def with_qwen_rules(tokenizer: Tokenizer) -> Tokenizer:
    """Adds Qwen's pre-tokenizer, the byte-level decoder and the special tokens."""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def add_special_tokens(tokenizer: Tokenizer) -> None:
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in CONTROL_TOKENS]
    )
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in TAG_TOKENS])


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer of `VOCABULARY_TOKENS`; a toy corpus leaves unused tokens at the end."""
    tokenizer = with_qwen_rules(Tokenizer(models.BPE(byte_fallback=False)))
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_TOKENS - len(CONTROL_TOKENS) - len(TAG_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=32,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    add_special_tokens(tokenizer)
    while tokenizer.get_vocab_size() < VOCABULARY_TOKENS:
        filler = f"<|extra_{tokenizer.get_vocab_size()}|>"
        tokenizer.add_tokens([AddedToken(filler, special=False, normalized=False)])
    return tokenizer


def tokenizer_from_gguf(path: Path) -> Tokenizer:
    """The tokenizer that a GGUF file of this recipe carries."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    merges: list[str] = fields["tokenizer.ggml.merges"].contents()
    vocabulary = {token: i for i, token in enumerate(tokens[: -len(CONTROL_TOKENS + TAG_TOKENS)])}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = with_qwen_rules(Tokenizer(models.BPE(vocabulary, pairs, byte_fallback=False)))
    add_special_tokens(tokenizer)
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer from a `tokenizer.json` or from a GGUF file."""
    if path.suffix == ".gguf":
        return tokenizer_from_gguf(path)
    return Tokenizer.from_file(str(path))


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that the vocabulary is known to hold."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return found


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of one text; special tokens in the text are taken as such."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def encode_all(
    tokenizer: Tokenizer, texts: Sequence[str], batch: int = ENCODE_BATCH
) -> Iterator[list[int]]:
    """Token ids of many texts, in their order."""
    for start in range(0, len(texts), batch):
        for encoding in tokenizer.encode_batch_fast(
            texts[start : start + batch], add_special_tokens=False
        ):
            yield encoding.ids
