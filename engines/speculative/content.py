"""What kind of text is being written."""

from __future__ import annotations

import re

from engines.events import TextKind
from engines.speculative.acceptance import ContentKind

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_KINDS = {
    TextKind.REASONING: ContentKind.REASONING,
    TextKind.TOOL_CALL: ContentKind.TOOL_CALL,
}


class ContentTracker:
    """Follows an answer; code is what stands between fences.

    Attributes:
        kind: Of what comes next.
    """

    def __init__(self, starts_in_reasoning: bool = False) -> None:
        self.kind = ContentKind.REASONING if starts_in_reasoning else ContentKind.PROSE
        self._is_in_fence = False
        self._line = ""

    def follow(self, text: str, kind: TextKind) -> None:
        """The answer goes on with `text`."""
        if kind is not TextKind.ANSWER:
            self.kind = _KINDS[kind]
            return
        if "\n" in text:
            self._toggle(self._line + text[: text.rfind("\n")])
            self._line = text[text.rfind("\n") + 1 :]
        else:
            self._line += text
        self.kind = ContentKind.CODE if self._is_in_fence else ContentKind.PROSE

    def _toggle(self, lines: str) -> None:
        if len(_FENCE.findall(lines)) % 2:
            self._is_in_fence = not self._is_in_fence
