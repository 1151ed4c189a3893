"""One value for "the same token ids mean the same", whatever file a model comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def tokenizer_fingerprint(token_texts: Sequence[str], chat_template: str) -> str:
    """SHA-256 over the vocabulary and the chat template, in hexadecimal.

    Args:
        token_texts: Every token's text in the order of ids, as the GGUF vocabulary writes it
            (byte-level tokens in their printable alphabet).
        chat_template: Jinja source, or an empty string.
    """
    digest = hashlib.sha256()
    for text in (*token_texts, chat_template):
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "little"))
        digest.update(encoded)
    return digest.hexdigest()
