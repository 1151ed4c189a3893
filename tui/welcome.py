"""What an empty conversation shows, as a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

TITLE = "bold $text-primary"
KEY = "bold $text-accent"
MUTED = "$foreground-muted"
WARNING = "$text-warning"


@dataclass(frozen=True, slots=True)
class ProfileLine:
    title: str
    task: str
    is_current: bool


def welcome_content(
    profiles: Sequence[ProfileLine], model: str, is_demo: bool, interrupted: str = ""
) -> Content:
    """The name, the model as what it is, the profiles with their keys.

    Args:
        model: What runs, in a few words; empty while it is not known.
        is_demo: The model is the embedded demonstration model.
        interrupted: Title of a conversation that was cut off, or an empty string.
    """
    lines = [Content.assemble(("llm-tui", TITLE), ("  runs the model in this process", MUTED))]
    if interrupted:
        lines += [
            Content(""),
            Content.assemble(
                ("The last conversation was cut off: ", WARNING),
                (interrupted, "bold"),
                ("\nF5", KEY),
                (" goes on with it; all that had come is there.", MUTED),
            ),
        ]
    if is_demo:
        lines += [
            Content(""),
            Content.assemble(
                ("This is the built-in tiny demonstration model:", WARNING),
                (" good for short Python functions, little else.\n", MUTED),
                ("For a real one: ", MUTED),
                ("llm-tui --model PATH", KEY),
                (", or ", MUTED),
                ("Ctrl+P", KEY),
                (" and Models.", MUTED),
            ),
        ]
    elif model:
        lines += [Content(""), Content.assemble(("Model: ", MUTED), (model, ""))]
    lines.append(Content(""))
    lines += [_profile(number, line) for number, line in enumerate(profiles, start=1)]
    return Content("\n").join(lines)


def _profile(number: int, line: ProfileLine) -> Content:
    key = f"Alt+{number}" if number <= 9 else "     "
    mark = "●" if line.is_current else " "
    title = f" {line.title:<16} "
    return Content.assemble(
        (key, KEY), f" {mark}", (title, "bold" if line.is_current else ""), (line.task, MUTED)
    )
