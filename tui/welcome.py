"""What an empty conversation shows, as a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

TITLE = "bold $text-primary"
KEY = "bold $text-accent"
MUTED = "$foreground-muted"
WARNING = "$text-warning"


LOOKING = "Looking at this machine and its models…"
STEP_KEYS = ("F7", "F8", "F9")


@dataclass(frozen=True, slots=True)
class StepLines:
    """The choices of the first start: pairs of a title and a note; none while they are looked for.

    Args:
        machine: In a few words.
        keys: One for each choice.
    """

    texts: Sequence[tuple[str, str]] = ()
    machine: str = ""
    keys: Sequence[str] = STEP_KEYS


@dataclass(frozen=True, slots=True)
class ProfileLine:
    title: str
    task: str
    is_current: bool


def welcome_content(
    profiles: Sequence[ProfileLine],
    model: str,
    is_demo: bool,
    interrupted: str = "",
    steps: StepLines | None = None,
) -> Content:
    """The name, the model as what it is, the profiles with their keys.

    Args:
        model: What runs, in a few words; empty while it is not known.
        is_demo: The model is the embedded demonstration model.
        interrupted: Title of a conversation that was cut off, or an empty string.
        steps: The choices of the first start; None where they are not offered.
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
                (" good for short Python functions, little else.", MUTED),
            ),
        ]
    elif model:
        lines += [Content(""), Content.assemble(("Model: ", MUTED), (model, ""))]
    if steps is not None:
        lines += [Content(""), *_steps(steps)]
    elif is_demo:
        lines.append(_other_models())
    lines.append(Content(""))
    lines += [_profile(number, line) for number, line in enumerate(profiles, start=1)]
    return Content("\n").join(lines)


def _other_models() -> Content:
    return Content.assemble(
        ("For a real one: ", MUTED),
        ("F4", KEY),
        (" shows models, here and to download; or ", MUTED),
        ("llm-tui --model PATH", KEY),
    )


def _steps(steps: StepLines) -> list[Content]:
    """What can be chosen, with its keys; typing at once goes to the demo model."""
    if not steps.texts:
        return [Content.styled(LOOKING, MUTED)]
    heading = f"For {steps.machine}, when you like:"
    return [
        Content.styled(heading, MUTED),
        *(
            Content.assemble((f"{key:<4}", KEY), (f"{title}  ", "bold"), (note, MUTED))
            for key, (title, note) in zip(steps.keys, steps.texts, strict=True)
        ),
    ]


def _profile(number: int, line: ProfileLine) -> Content:
    key = f"Alt+{number}" if number <= 9 else "     "
    mark = "●" if line.is_current else " "
    title = f" {line.title:<16} "
    return Content.assemble(
        (key, KEY), f" {mark}", (title, "bold" if line.is_current else ""), (line.task, MUTED)
    )
