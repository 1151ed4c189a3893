"""The footer's one line of keys, as a pure function of the hints and the width."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual.content import Content

GAP = "  "


def key_line(hints: Iterable[tuple[str, str]], width: int) -> Content:
    """Keys and what they do, the first ones first, as many whole ones as fit into `width` cells."""
    parts: list[tuple[str, str]] = []
    used = 0
    for key, label in hints:
        needed = cell_len(key) + 1 + cell_len(label) + (len(GAP) if parts else 0)
        if used + needed > width:
            break
        if parts:
            parts.append((GAP, ""))
        parts += [(key, "bold $text-accent"), (f" {label}", "$foreground-muted")]
        used += needed
    return Content.assemble(*parts)
