"""The wordings in `texts/` and how one of them is drawn."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from engines.demo.training.chat import Message, assistant, system, user

TEXTS = Path(__file__).parent / "texts"


def read_texts(name: str) -> dict[str, Any]:
    """The parsed TOML file `texts/<name>.toml`."""
    return tomllib.loads((TEXTS / f"{name}.toml").read_text(encoding="utf-8"))


WORDINGS = read_texts("wordings")
SOURCE: dict[str, list[str]] = WORDINGS["from_source"]
ASK: dict[str, list[str]] = WORDINGS["ask"]
DIRECTORIES = ["", "", "", "src/", "app/", "lib/", "utils/", "core/", "tools/"]


def pick(rng: Random, choices: Sequence[str]) -> str:
    """One of the choices; an only choice costs no random number."""
    return choices[0] if len(choices) == 1 else rng.choice(choices)


def thanks(rng: Random) -> list[Message]:
    """The user says thanks, the assistant replies."""
    said, reply = rng.choice(WORDINGS["from_source"]["thanks"])
    return [user(said), assistant(reply)]


def environment_lines(rng: Random) -> list[str]:
    home, name = rng.choice(["home", "Users"]), rng.choice(["me", "user", "dev", "ada", "sam"])
    project = rng.choice(["project", "code", "app", "work/demo", "src"])
    platform = rng.choice(["linux", "darwin", "Linux", "macOS"])
    date = f"202{rng.randint(4, 9)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return [
        f"Working directory: /{home}/{name}/{project}",
        f"Platform: {platform}",
        f"Date: {date}",
        f"Shell: {rng.choice(['bash', 'zsh', 'fish'])}",
        f"Python: 3.{rng.randint(10, 14)}",
    ]


def system_text(rng: Random) -> str:
    """A system prompt, sometimes with rules and a description of the environment."""
    text = str(rng.choice(WORDINGS["system"]["prompts"]))
    if rng.random() >= 0.35:
        return text
    if rng.random() < 0.6:
        head = rng.choice(["Rules:\n", "Guidelines:\n", "Follow these rules:\n"])
        rules = rng.sample(WORDINGS["system"]["rules"], rng.randint(2, 6))
        text += "\n\n" + head + "\n".join(f"- {rule}" for rule in rules)
    if rng.random() < 0.6:
        lines = environment_lines(rng)
        head = rng.choice(["", "Environment:\n", "# Environment\n"])
        text += "\n\n" + head + "\n".join(rng.sample(lines, rng.randint(1, 4)))
    return text


def with_system(messages: list[Message], rng: Random, share: float) -> list[Message]:
    """A system message in front of `share` of the dialogues that have none."""
    if messages[0].role != "system" and rng.random() < share:
        return [system(system_text(rng)), *messages]
    return messages
