"""Short explanations of code whose names give nothing away."""

from __future__ import annotations

from random import Random

from engines.demo.training.chat import Dialogue, Message, assistant, user
from engines.demo.training.dialogues.families import trainable_task
from engines.demo.training.dialogues.tasks import Task, parameters, with_name
from engines.demo.training.dialogues.templates import read_texts
from engines.demo.training.source.edits import rename
from engines.demo.training.source.functions import fenced
from engines.demo.training.source.observations import observations_of_code
from engines.demo.training.source.words import both_forms

WORDS = read_texts("practical")["explain"]


def function_task(rng: Random) -> Task:
    """A synthetic task that is solved by a function."""
    while True:
        task = trainable_task(rng)
        if task.code.startswith("def"):
            return task


def with_parameter(task: Task, old: str, new: str) -> Task:
    """The task with another parameter name in its code; its note is dropped."""
    code = rename(task.code, old, new) or task.code
    return Task(task.phrases, code, "", task.usage, task.imports)


def disguised(task: Task, rng: Random) -> Task:
    """The task with a name that says nothing, and sometimes such a parameter."""
    hidden = with_name(task, rng.choice(WORDS["neutral_names"]))
    names = parameters(hidden.code)
    if len(names) == 1 and rng.random() < 0.4:
        free = [name for name in WORDS["neutral_parameters"] if name not in hidden.code]
        if free:
            return with_parameter(hidden, names[0], rng.choice(free))
    return hidden


def explanation(task: Task, rng: Random) -> str:
    """What the function does, and at most one observation."""
    lead = f"`{task.name}` {both_forms(rng.choice(task.phrases)).third}."
    found = observations_of_code(task.code, rng)[-1:] if rng.random() < 0.5 else []
    return " ".join([lead, *found])


def naming_turn(task: Task, hidden: Task, rng: Random) -> list[Message]:
    request = rng.choice(WORDS["naming"]).format(c=fenced(hidden.code), n=hidden.name)
    third = both_forms(rng.choice(task.phrases)).third
    answer = rng.choice(WORDS["naming_answers"]).format(m=task.name, t=third)
    return [user(request), assistant(answer)]


def explanation_dialogue(rng: Random) -> Dialogue:
    """The user shows a function; the assistant says in a sentence or two what it does."""
    task = function_task(rng)
    hidden = disguised(task, rng) if rng.random() < 0.7 else task
    if hidden is not task and rng.random() < 0.15:
        return Dialogue("explain", naming_turn(task, hidden, rng))
    request = rng.choice(WORDS["short"]).format(
        c=fenced(hidden.code, hidden.imports), n=hidden.name
    )
    return Dialogue("explain", [user(request), assistant(explanation(hidden, rng))])
