"""The line under an answer; parts that do not fit are left out whole."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

SEPARATOR = " · "


def fitting_parts(parts: tuple[str, ...], width: int) -> str:
    """As many of `parts` as fit into `width` cells, the first ones first."""
    line = ""
    for part in parts:
        longer = f"{line}{SEPARATOR}{part}" if line else part
        if line and cell_len(longer) > width:
            break
        line = longer
    return line


class FooterLine(Widget):
    """One row of parts."""

    DEFAULT_CSS = "FooterLine { height: 1; }"

    def __init__(self, text: str) -> None:
        super().__init__(classes="footer")
        self._parts = tuple(text.split(SEPARATOR))

    def render(self) -> Content:
        width = self.content_size.width
        return Content(fitting_parts(self._parts, width)).truncate(width, ellipsis=True)
