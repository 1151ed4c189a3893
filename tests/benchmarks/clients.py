"""The programs that are compared, and how each is started on a load."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engines.scripted import ANSWER_SEPARATOR, split_tokens

FLOOR = Path(__file__).with_name("floor.py")


@dataclass(frozen=True, slots=True)
class Load:
    """Answers to stream, one a turn, at `rate_tps` tokens per second."""

    answers: tuple[str, ...]
    rate_tps: float


@dataclass(frozen=True, slots=True)
class Client:
    """A program to measure.

    Args:
        command: Writes what it needs into a home folder and gives the command line.
        prompt: A text on the screen when a prompt is there.
        quit_keys: End it, on an empty prompt.
    """

    name: str
    title: str
    command: Callable[[Path, Load], list[str]]
    prompt: str
    quit_keys: tuple[str, ...]


def _floor(style: str) -> Callable[[Path, Load], list[str]]:
    def command(home: Path, load: Load) -> list[str]:
        answers = home / "answers.json"
        answers.write_text(json.dumps([split_tokens(answer) for answer in load.answers]))
        return [sys.executable, str(FLOOR), str(answers), str(load.rate_tps), style]

    return command


def _llm_tui(home: Path, load: Load) -> list[str]:
    script = home / "answers.md"
    script.write_text(f"\n{ANSWER_SEPARATOR}\n".join(load.answers))
    program = str(Path(sys.executable).with_name("llm-tui"))
    return [program, "--engine", "scripted", "--script", str(script), "--rate", str(load.rate_tps)]


CLIENTS = (
    Client("llm-tui", "llm-tui, scripted engine", _llm_tui, "Ask anything", ("ctrl+d",)),
    Client(
        "floor",
        "bare Textual, a stock Markdown stream write per token",
        _floor("each"),
        "Ask anything",
        ("ctrl+q",),
    ),
    Client(
        "floor-batch",
        "bare Textual, a stock Markdown stream write per 50 ms",
        _floor("batch"),
        "Ask anything",
        ("ctrl+q",),
    ),
    Client("floor-plain", "bare Textual, plain text", _floor("plain"), "Ask anything", ("ctrl+q",)),
)
