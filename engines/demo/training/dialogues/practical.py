"""What people do with a coding assistant: explain, extend, follow up, work in a project."""

from __future__ import annotations

from random import Random

from engines.demo.training.chat import Dialogue
from engines.demo.training.dialogues.agent import agent_dialogue
from engines.demo.training.dialogues.explanations import explanation_dialogue
from engines.demo.training.dialogues.follow_ups import follow_up_dialogue
from engines.demo.training.dialogues.methods import method_dialogue
from engines.demo.training.dialogues.templates import with_system

SYSTEM_SHARE = 0.3
EXPLANATIONS_UP_TO = 0.30
METHODS_UP_TO = 0.37
FOLLOW_UPS_UP_TO = 0.60


def practical_dialogue(rng: Random) -> Dialogue:
    draw = rng.random()
    if draw < EXPLANATIONS_UP_TO:
        return explanation_dialogue(rng)
    if draw < METHODS_UP_TO:
        return method_dialogue(rng)
    if draw < FOLLOW_UPS_UP_TO:
        return follow_up_dialogue(rng)
    return agent_dialogue(rng)


def practical_dialogues(count: int, seed: int) -> list[Dialogue]:
    """`count` dialogues: a third explanations, a third follow-ups, the rest with tools."""
    rng = Random(seed)
    found = [practical_dialogue(rng) for _ in range(count)]
    return [Dialogue(d.kind, with_system(d.messages, rng, SYSTEM_SHARE)) for d in found]
