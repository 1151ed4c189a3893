"""Reads a text file for a message."""

from __future__ import annotations

from pathlib import Path

from conversation.message import AttachmentPart
from engines.errors import ExplainedError

LIMIT_BYTES = 2_000_000


class DocumentError(ExplainedError):
    """A file that cannot be attached."""


def read_attachment(path: Path, limit_bytes: int = LIMIT_BYTES) -> AttachmentPart:
    """The text of the file at `path`, as UTF-8.

    Raises:
        DocumentError: it is missing, not a file, too large, or not text.
    """
    path = path.expanduser()
    try:
        if not path.is_file():
            problem = "is not a file" if path.exists() else "does not exist"
            raise DocumentError(f"{path} {problem}.", "Give the path of a text file.")
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error
    if len(content) > limit_bytes:
        raise DocumentError(
            f"{path} is larger than {limit_bytes / 1_000_000:g} MB.", "Give a part of it."
        )
    return AttachmentPart(path.name, _text(path, content), len(content))


def _text(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DocumentError(f"{path} is not a UTF-8 text.", "Give a text file.")
    return text.replace("\r\n", "\n")
