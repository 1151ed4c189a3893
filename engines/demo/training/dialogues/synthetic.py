"""Dialogues about synthetic tasks: write, explain, document, rename, fix."""

from __future__ import annotations

import ast
import re
from random import Random

from engines.demo.training.chat import Dialogue, Message, assistant, user
from engines.demo.training.dialogues.concepts import CONCEPTS, MORE_CONCEPTS, concept_dialogue
from engines.demo.training.dialogues.families import trainable_task
from engines.demo.training.dialogues.tasks import Task, parameters, task_dialogue
from engines.demo.training.dialogues.templates import SOURCE, WORDINGS, with_system
from engines.demo.training.source.edits import break_code, rename
from engines.demo.training.source.functions import fenced, with_one_line_docstring
from engines.demo.training.source.observations import observations_of_code
from engines.demo.training.source.words import both_forms, lowered

EXTRA_NAMES = ["x", "y", "amount", "given", "first", "total_price", "my_list", "my_text"]
SYSTEM_SHARE = 0.35


def explain_task(task: Task, rng: Random) -> Dialogue:
    third = both_forms(rng.choice(task.phrases)).third
    request = rng.choice(SOURCE["explain"]).format(c=fenced(task.code), n=task.name)
    found = observations_of_code(task.code, rng)[: rng.choice([1, 2, 3])]
    answer = f"`{task.name}` {third}. {' '.join(found)}"
    return Dialogue("explain", [user(request), assistant(answer)])


def document_task(task: Task, rng: Random) -> Dialogue:
    base = both_forms(rng.choice(task.phrases)).base
    request = rng.choice(SOURCE["docstring"]).format(c=fenced(task.code), n=task.name)
    lead = rng.choice(SOURCE["docstring_answer"]).format(n=task.name)
    code = fenced(with_one_line_docstring(task.code, base))
    return Dialogue("doc", [user(request), assistant(f"{lead}\n\n{code}")])


def stored_names(code: str) -> list[str]:
    nodes = ast.walk(ast.parse(code).body[0])
    return [
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def rename_in_task(task: Task, rng: Random) -> Dialogue | None:
    names = parameters(task.code) + stored_names(task.code)
    if not names:
        return None
    old = rng.choice(names)
    candidates = SOURCE["new_names"] + EXTRA_NAMES
    new = rng.choice([name for name in candidates if not re.search(rf"\b{name}\b", task.code)])
    request = rng.choice(SOURCE["rename"]).format(a=old, b=new, c=fenced(task.code))
    lead = rng.choice(SOURCE["rename_answer"]).format(a=old, b=new)
    code = fenced(rename(task.code, old, new) or task.code)
    return Dialogue("rename", [user(request), assistant(f"{lead}\n\n{code}")])


def fix_task(task: Task, rng: Random) -> Dialogue | None:
    broken = break_code(task.code, rng)
    if not broken:
        return None
    request = rng.choice(SOURCE["fix"]).format(c=fenced(broken.code))
    answer = f"{broken.diagnosis} Here is the fixed code:\n\n{fenced(task.code)}"
    return Dialogue("fix", [user(request), assistant(answer)])


def synthetic_dialogue(rng: Random) -> Dialogue:
    """One dialogue about a task whose phrase is not held out; mostly a request to write it."""
    task = trainable_task(rng)
    draw = rng.random()
    if draw < 0.72 or task.code.startswith("class"):
        return Dialogue("canon-task", task_dialogue(rng, task))
    if draw < 0.80:
        return explain_task(task, rng)
    if draw < 0.86:
        return document_task(task, rng)
    edited = rename_in_task(task, rng) if draw < 0.93 else None
    edited = edited or fix_task(task, rng)
    return edited or Dialogue("canon-task", task_dialogue(rng, task))


def with_opener(messages: list[Message], rng: Random) -> list[Message]:
    """Now and then a "hello, " in front of the request."""
    if messages[0].role != "user" or rng.random() >= 0.06:
        return messages
    opener = rng.choice(WORDINGS["small_talk"]["openers"])
    return [user(opener + lowered(messages[0].text)), *messages[1:]]


def synthetic_dialogues(count: int, seed: int) -> list[Dialogue]:
    """`count` dialogues: one of ten about a concept, the rest about synthetic tasks."""
    rng = Random(seed)
    concepts = CONCEPTS + MORE_CONCEPTS
    found = []
    for i in range(count):
        if rng.random() < 0.10:
            concept = concepts[i % len(concepts)]
            dialogue = Dialogue("canon-concept", concept_dialogue(rng, concept))
        else:
            dialogue = synthetic_dialogue(rng)
        messages = with_opener(dialogue.messages, rng)
        found.append(Dialogue(dialogue.kind, with_system(messages, rng, SYSTEM_SHARE)))
    return found
