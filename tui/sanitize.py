"""Makes text of unknown origin safe to draw: no control character reaches the terminal."""

from __future__ import annotations

import re

_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}"
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]{0,4096}"
_SEQUENCE = re.compile(rf"{_CSI}[@-~]|{_STRING}(?:\x07|\x1b\\|\x9c)|\x1b[ -/]{{0,8}}[0-~]")
_UNFINISHED = re.compile(rf"(?:{_CSI}|{_STRING}\x1b?|\x1b[ -/]{{0,8}})\Z")
_INTRODUCER = re.compile(r"[\x1b\x90\x98\x9b\x9d-\x9f]")

_INVISIBLE = "\u00ad\u061c\u200b\u200e\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_REMOVED = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")
_REPLACED = re.compile(f"[{_BIDI}\ud800-\udfff]")
_SUSPECT = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}{_BIDI}\u2028\u2029\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` without escape sequences, control and invisible characters.

    Newlines and tabs stay; overrides of the writing direction and lone surrogates become U+FFFD, so
    that text cannot pass for other text.
    """
    if not _SUSPECT.search(text):
        return text
    text = _SEQUENCE.sub("", text).replace("\u2028", "\n").replace("\u2029", "\n")
    return _REPLACED.sub("\ufffd", _REMOVED.sub("", text))


def one_line(text: str) -> str:
    """`text`, printable and with every run of white space as one space."""
    return " ".join(printable(text).split())


class TextCleaner:
    """Makes a stream of text printable: the result does not depend on where the chunks were cut."""

    def __init__(self) -> None:
        self._held = ""

    def clean(self, text: str) -> str:
        """Printable text of this chunk; the start of an unfinished escape sequence is held back."""
        text, self._held = self._held + text, ""
        if _INTRODUCER.search(text) and (unfinished := _UNFINISHED.search(text)):
            self._held = unfinished[0]
            text = text[: unfinished.start()]
        return printable(text)

    def flush(self) -> str:
        """What was held back, printable, at the end of the stream."""
        held, self._held = self._held, ""
        return printable(held)
