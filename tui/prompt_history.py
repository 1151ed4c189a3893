"""What was sent before, for Up and Down in the prompt: one JSON text a line, newest last."""

from __future__ import annotations

import json
import logging
from pathlib import Path

LIMIT = 1000
LONGEST_CHARACTERS = 20_000

log = logging.getLogger(__name__)


class PromptHistory:
    """The texts sent before, and a place among them while the user looks through.

    Args:
        file: Where they are kept; None keeps them in memory only.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._texts: list[str] | None = None
        self._place = 0
        self._draft = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, the oldest first."""
        return tuple(self._loaded())

    def add(self, text: str) -> None:
        """Keep a text that was sent; very long ones are left out."""
        texts = self._loaded()
        self._place = 0
        if len(text) > LONGEST_CHARACTERS or (texts and texts[-1] == text):
            return
        texts.append(text)
        self._append(text)

    def older(self, current: str) -> str | None:
        """The text before the one in view; `current` is kept when the search begins."""
        texts = self._loaded()
        if self._place >= len(texts):
            return None
        if self._place == 0:
            self._draft = current
        self._place += 1
        return texts[-self._place]

    def newer(self) -> str | None:
        """The text after the one in view, at the end what was being typed."""
        if self._place == 0:
            return None
        self._place -= 1
        return self._loaded()[-self._place] if self._place else self._draft

    def leave(self) -> None:
        """Begin at the newest text again."""
        self._place = 0

    def _loaded(self) -> list[str]:
        if self._texts is None:
            self._texts = _read(self._file)[-LIMIT:] if self._file else []
        return self._texts

    def _append(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(text) + "\n")
        except OSError as error:
            log.warning("the prompt history cannot be written: %s", error)


def _read(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    texts = []
    for line in lines:
        try:
            text = json.loads(line)
        except ValueError:
            continue
        if isinstance(text, str):
            texts.append(text)
    if len(lines) > 2 * LIMIT:
        _shorten(file, texts[-LIMIT:])
    return texts


def _shorten(file: Path, texts: list[str]) -> None:
    try:
        file.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    except OSError as error:
        log.warning("the prompt history cannot be shortened: %s", error)
