"""The app's own themes, a dark and a light one; `ansi-dark` and `ansi-light` are Textual's."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="llm-tui-dark",
    primary="#7aa2f7",
    secondary="#7dcfff",
    accent="#9ece6a",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#d5d9e5",
    background="#14161b",
    surface="#1c1f27",
    panel="#262a34",
    dark=True,
    variables={"border": "#7aa2f7", "border-blurred": "#3a3f4d"},
)

LIGHT = Theme(
    name="llm-tui-light",
    primary="#2457b8",
    secondary="#00738f",
    accent="#3d6b12",
    warning="#8a5a00",
    error="#b3243f",
    success="#3d6b12",
    foreground="#20242c",
    background="#fbfbf9",
    surface="#f0f0ec",
    panel="#e4e4de",
    dark=False,
    variables={"border": "#2457b8", "border-blurred": "#b9bcc4"},
)

THEMES = (DARK, LIGHT)
