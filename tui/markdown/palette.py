"""The colors of Markdown: style names to terminal styles, from the theme's variables only."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style as RichStyle
from textual.style import Style

_MUTED = "$foreground-muted"

_STYLES = {
    "muted": _MUTED,
    "strong": "bold",
    "emphasis": "italic",
    "strike": "strike",
    "code": "$text-accent on $surface",
    "math": "$text-secondary italic",
    "link": "$text-primary underline",
    "heading1": "$text-primary bold underline",
    "heading2": "$text-primary bold",
    "heading3": "$text-accent bold",
    "heading4": "bold",
    "heading5": "bold italic",
    "heading6": "italic",
    "marker": "$text-primary",
    "done": "$text-success",
    "rule": _MUTED,
    "quote_bar": "$text-secondary",
    "table_header": "bold",
    "block": "on $surface",
    "label": f"{_MUTED} italic",
    "comment": f"{_MUTED} italic",
    "keyword": "$text-accent",
    "constant": "$text-warning",
    "type": "$text-warning bold",
    "builtin": "$text-secondary",
    "decorator": "$text-primary",
    "function": "$text-primary",
    "variable": "$text-secondary",
    "string": "$text-success",
    "number": "$text-warning",
    "inserted": "$text-success",
    "deleted": "$text-error",
    "error": "$text-error bold",
}
_DIM = ("muted", "rule", "label", "comment")
"""Where the terminal's own colors are used, these are dimmed: such a color has no opacity."""


class Palette:
    """Terminal styles for style names, on one base style.

    Args:
        base: Foreground and background of the widget.
        variables: The theme's variables.
        is_ansi: The theme uses the terminal's own colors.
    """

    def __init__(self, base: Style, variables: Mapping[str, str], is_ansi: bool) -> None:
        self._base = base
        self._variables = dict(variables)
        self._is_ansi = is_ansi
        self._styles: dict[str, RichStyle] = {}

    def style(self, names: str) -> RichStyle:
        """The terminal style for a space-separated list of names; unknown ones change nothing."""
        style = self._styles.get(names)
        if style is None:
            style = self._styles[names] = self._combine(names)
        return style

    def _combine(self, names: str) -> RichStyle:
        style = self._base
        for name in names.split():
            if specification := _STYLES.get(name):
                style += Style.parse(specification, self._variables)
            if self._is_ansi and name in _DIM:
                style += Style(dim=True)
        return style.rich_style
