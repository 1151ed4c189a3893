"""The control sequences in a terminal program's output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE = re.compile(
    rb"\x1b(?:"
    rb"\[(?P<prefix>[<-?]?)(?P<params>[0-;]*)(?P<middle>[ -/]*)(?P<final>[@-~])"
    rb"|(?P<string>[\]PX^_])(?P<body>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    rb"|[ -/]+[0-~]"
    rb"|[0-OQ-WYZ`-~])"
)
_STRINGS = {b"]": "OSC", b"P": "DCS", b"X": "SOS", b"^": "PM", b"_": "APC"}
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One control sequence.

    Args:
        raw: All of it.
        kind: The final byte with its prefix and intermediates (`?h`, `$p`, `c`), the name of a
            string (`OSC`, `DCS`, `SOS`, `PM`, `APC`), or nothing for a short escape.
        params: The parameters, or the body of a string.
    """

    raw: bytes
    kind: str
    params: str

    @property
    def numbers(self) -> list[int]:
        """The parameters as numbers; an empty one is 0."""
        return [int(part or 0) for part in re.split("[;:]", self.params)]


class SequenceParser:
    """Splits output into text and control sequences, across the borders of reads."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes | Sequence]:
        """The text (as bytes) and the sequences of `data`, in order."""
        data, self._rest = self._rest + data, b""
        last = data.rfind(b"\x1b")  # may be the one that ends a string
        if unfinished := _UNFINISHED.search(data, max(0, data.rfind(b"\x1b", 0, max(0, last)))):
            data, self._rest = data[: unfinished.start()], data[unfinished.start() :]
        position = 0
        for match in _SEQUENCE.finditer(data):
            if match.start() > position:
                yield data[position : match.start()]
            position = match.end()
            yield _sequence(match)
        if position < len(data):
            yield data[position:]


def _sequence(match: re.Match[bytes]) -> Sequence:
    kind, params = "", b""
    if match["final"]:
        kind = (match["prefix"] + match["middle"] + match["final"]).decode("ascii")
        params = match["params"]
    elif match["string"]:
        kind, params = _STRINGS[match["string"]], match["body"]
    return Sequence(match.group(), kind, params.decode("utf-8", "replace"))
