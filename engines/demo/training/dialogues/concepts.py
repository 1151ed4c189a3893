"""Dialogues of questions with short answers, small talk, and the hand-written mixture."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from engines.demo.training.chat import Dialogue, Message, assistant, user
from engines.demo.training.dialogues.tasks import TASKS, task_dialogue
from engines.demo.training.dialogues.templates import WORDINGS, read_texts, thanks, with_system

TALK = WORDINGS["small_talk"]
SYSTEM_SHARE = 0.35


class Concept(NamedTuple):
    """One answer and the questions that it answers."""

    questions: list[str]
    answer: str


CONCEPTS = [Concept(**entry) for entry in read_texts("concepts")["concept"]]
MORE_CONCEPTS = [Concept(**entry) for entry in read_texts("concepts")["more"]]


def concept_dialogue(rng: Random, concept: Concept) -> list[Message]:
    """The question and its answer, sometimes followed by thanks or by something else."""
    question = rng.choice(concept.questions)
    draw = rng.random()
    if draw < 0.15 and question.endswith(("?", ".")):
        question = question[:-1]
    if draw < 0.3:
        question = question.lower()
    messages = [user(question), assistant(concept.answer)]
    draw = rng.random()
    if draw < 0.08:
        messages += thanks(rng)
    elif draw < 0.14:
        messages += concept_dialogue(rng, rng.choice(CONCEPTS))[:2]
    elif draw < 0.18:
        messages += task_turn(rng)
    return messages


def task_turn(rng: Random) -> list[Message]:
    """A task and its answer; nothing when the drawn dialogue has a system message of its own."""
    messages = task_dialogue(rng, rng.choice(TASKS))
    return messages[:2] if messages[0].role == "user" else []


def goodbye(rng: Random) -> list[Message]:
    return [user(rng.choice(TALK["goodbyes"])), assistant(rng.choice(TALK["goodbye_answers"]))]


def small_talk(rng: Random) -> list[Message]:
    """A greeting, and what may come after it."""
    greeting = rng.choice(TALK["greetings"])
    messages = [user(greeting), assistant(rng.choice(TALK["greeting_answers"]))]
    draw = rng.random()
    if draw < 0.35:
        messages += concept_dialogue(rng, rng.choice(CONCEPTS))[:2]
    elif draw < 0.6:
        messages += task_turn(rng)
    elif draw < 0.75:
        messages = goodbye(rng)
    elif draw < 0.85:
        messages += goodbye(rng)
    return messages


def handwritten_dialogues(count: int, seed: int) -> list[Dialogue]:
    """`count` dialogues: two thirds tasks, a quarter concepts, the rest small talk."""
    rng = Random(seed)
    found = []
    for i in range(count):
        draw = rng.random()
        if draw < 0.66:
            kind, messages = "canon-task", task_dialogue(rng, TASKS[i % len(TASKS)])
        elif draw < 0.92:
            concept = CONCEPTS[i % len(CONCEPTS)]
            kind, messages = "canon-concept", concept_dialogue(rng, concept)
        else:
            kind, messages = "canon-small", small_talk(rng)
        found.append(Dialogue(kind, with_system(messages, rng, SYSTEM_SHARE)))
    return found
