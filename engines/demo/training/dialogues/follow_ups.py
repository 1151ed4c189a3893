"""Dialogues of several turns about one function that changes on the way."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from engines.demo.training.chat import Dialogue, Message, assistant, user
from engines.demo.training.dialogues.explanations import explanation, function_task, with_parameter
from engines.demo.training.dialogues.tasks import (
    Task,
    answer_task,
    parameters,
    request_task,
    with_name,
)
from engines.demo.training.dialogues.templates import ASK, pick, read_texts, thanks
from engines.demo.training.source.functions import fenced, with_one_line_docstring
from engines.demo.training.source.words import both_forms

WORDS = read_texts("practical")["follow_up"]
Turn = tuple[list[Message], Task]


def first_turn(task: Task, rng: Random) -> list[Message]:
    phrase = both_forms(rng.choice(task.phrases))
    request = request_task(task, phrase, rng.random() < 0.4, rng)
    intro, note = rng.choice(ASK["intros"]), rng.random() < 0.5
    lead = intro.format(b=phrase.base, t=phrase.third)
    parts = [
        part for part in (lead, fenced(task.code, task.imports), task.note if note else "") if part
    ]
    return [user(request), assistant("\n\n".join(parts))]


def explain(task: Task, rng: Random) -> Turn:
    return [user(pick(rng, WORDS["explain"])), assistant(explanation(task, rng))], task


def document(task: Task, rng: Random) -> Turn | None:
    if '"""' in task.code:
        return None
    code = with_one_line_docstring(task.code, both_forms(task.phrases[0]).third)
    changed = Task(task.phrases, code, task.note, task.usage, task.imports)
    answer = f"Here is `{task.name}` with a docstring:\n\n{fenced(code, task.imports)}"
    return [user(pick(rng, WORDS["docstring"])), assistant(answer)], changed


def rename_function(task: Task, rng: Random) -> Turn:
    new = rng.choice(["solve", "compute", "helper", "run_it", f"my_{task.name}", f"{task.name}_2"])
    changed = with_name(task, new)
    request = pick(rng, WORDS["rename_function"]).format(m=new)
    answer = f"I renamed `{task.name}` to `{new}`:\n\n{fenced(changed.code, task.imports)}"
    return [user(request), assistant(answer)], changed


def rename_parameter(task: Task, rng: Random) -> Turn | None:
    names = parameters(task.code)
    free = [
        name
        for name in ["value", "data", "arg", "x", "given", "source", "first"]
        if name not in task.code
    ]
    if not names or not free:
        return None
    old, new = rng.choice(names), rng.choice(free)
    changed = with_parameter(task, old, new)
    request = pick(rng, WORDS["rename_parameter"]).format(v=old, m=new)
    answer = (
        f"Here is the code with `{old}` renamed to `{new}`:\n\n{fenced(changed.code, task.imports)}"
    )
    return [user(request), assistant(answer)], changed


def name_file(task: Task, rng: Random) -> Turn:
    answer = f"`{task.name}.py` would be a good name."
    return [user(pick(rng, WORDS["file_name"])), assistant(answer)], task


def repeat(task: Task, rng: Random) -> Turn:
    answer = f"Here is `{task.name}`:\n\n{fenced(task.code, task.imports)}"
    return [user(pick(rng, WORDS["repeat"])), assistant(answer)], task


def another(previous: Task, rng: Random) -> Turn:
    task = function_task(rng)
    phrase = both_forms(rng.choice(task.phrases))
    request = pick(rng, WORDS["another"]).format(b=phrase.base, t=phrase.third)
    answer = answer_task(task, phrase, rng)[1]
    return [user(request), assistant(answer)], task


FOLLOW_UPS: list[Callable[[Task, Random], Turn | None]] = [
    explain,
    explain,
    document,
    rename_function,
    rename_parameter,
    name_file,
    repeat,
    another,
    another,
]


def follow_up_dialogue(rng: Random) -> Dialogue:
    """A function is written, then explained, documented, renamed … in one to four more turns."""
    task = function_task(rng)
    messages = first_turn(task, rng)
    for _ in range(rng.randint(1, 4)):
        if turn := rng.choice(FOLLOW_UPS)(task, rng):
            messages += turn[0]
            task = turn[1]
    if rng.random() < 0.15:
        messages += thanks(rng)
    return Dialogue("canon-task", messages)
