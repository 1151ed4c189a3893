"""The tokenizer of a model folder: `tokenizer.json` and what stands beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers

from engines.errors import ModelLoadError
from engines.mlx.tokenizer import (
    Tokenizer,
    byte_level_piece,
    known_stop_ids,
    sentencepiece_piece,
)


def read_tokenizer(folder: Path, config: dict[str, Any]) -> Tokenizer:
    """Build the tokenizer of the model in `folder`, whose `config.json` is `config`.

    Raises:
        ModelLoadError: `tokenizer.json` is missing, damaged or empty.
    """
    encoder = _encoder(folder / "tokenizer.json")
    settings = read_json(folder / "tokenizer_config.json")
    vocabulary = encoder.get_vocab(with_added_tokens=True)
    texts = [""] * (max(vocabulary.values()) + 1)
    for text, token_id in vocabulary.items():
        texts[token_id] = text
    added = {index: token.content for index, token in encoder.get_added_tokens_decoder().items()}
    to_bytes = byte_level_piece if _is_byte_level(encoder) else sentencepiece_piece
    pieces = [
        added[index].encode() if index in added else to_bytes(text)
        for index, text in enumerate(texts)
    ]
    eos_token = _token_text(settings.get("eos_token"))
    stop_ids = known_stop_ids(added) | _declared_stop_ids(folder, config)
    if eos_token in vocabulary:
        stop_ids.add(vocabulary[eos_token])
    return Tokenizer(
        encoder=encoder,
        token_texts=texts,
        pieces=pieces,
        stop_ids=frozenset(stop_ids),
        chat_template=_chat_template(folder, settings),
        bos_token=_token_text(settings.get("bos_token")),
        eos_token=eos_token,
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, or an empty one where there is no such file.

    Raises:
        ModelLoadError: the file is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"{path.name} of the model cannot be read: {error}.", "Download the model again."
        ) from error
    if not isinstance(content, dict):
        raise ModelLoadError(
            f"{path.name} of the model is not a JSON object.", "Download the model again."
        )
    return content


def _encoder(path: Path) -> tokenizers.Tokenizer:
    if not path.is_file():
        raise ModelLoadError(
            f"The model folder {path.parent.name} has no tokenizer.json.",
            "Download the whole model, or a version of it that has the file.",
        )
    try:
        encoder = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelLoadError(
            f"tokenizer.json of the model is damaged: {error}.", "Download the model again."
        ) from error
    if encoder.get_vocab_size() < 2:
        raise ModelLoadError(
            "tokenizer.json of the model has an empty vocabulary.", "Download the model again."
        )
    encoder.no_truncation()
    encoder.no_padding()
    return encoder


def _is_byte_level(encoder: tokenizers.Tokenizer) -> bool:
    parts = json.loads(encoder.to_str())
    decoder, pre_tokenizer = parts.get("decoder"), parts.get("pre_tokenizer")
    return "ByteLevel" in json.dumps([decoder, pre_tokenizer])


def _declared_stop_ids(folder: Path, config: dict[str, Any]) -> set[int]:
    declared = read_json(folder / "generation_config.json").get("eos_token_id")
    if declared is None:
        declared = config.get("eos_token_id", [])
    ids = declared if isinstance(declared, list) else [declared]
    return {token_id for token_id in ids if isinstance(token_id, int)}


def _chat_template(folder: Path, settings: dict[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if template is None:
        template = read_json(folder / "chat_template.json").get("chat_template", "")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template}
        template = named.get("default") or next(iter(named.values()), "")
    return template if isinstance(template, str) else ""


def _token_text(token: Any) -> str:
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else ""
