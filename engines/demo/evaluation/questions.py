"""What the models are asked: hand-written prompts, and tasks whose wording was held out."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from engines.demo.evaluation.child import IMPORTS
from engines.demo.evaluation.execution import Check
from engines.demo.training.chat import prompt_text, user
from engines.demo.training.dialogues.agent import SCENES, answer_without_tool
from engines.demo.training.dialogues.explanations import WORDS as EXPLAIN_WORDS
from engines.demo.training.dialogues.explanations import disguised
from engines.demo.training.dialogues.families import is_held_out, predicate_task, synthetic_task
from engines.demo.training.dialogues.tasks import TASKS, Task, parameters
from engines.demo.training.source.functions import fenced
from engines.demo.training.source.words import both_forms

USAGE = re.compile(r"print\((\w+)\((.*)\)\)  # (.*)$")
WORDS = re.findall(r"\w+", "apple Ada bob a stop TEST level banana sat Tea xyz about basket")
LETTERS = "aAbBxXzZeEtT 19,.-\n"
ITEMS = [None, "a", 1, [], [1], 0, "", "bc", 7]
UNINFORMATIVE = re.compile(r"\w+").findall(
    "a an the of in to from are is if each all any only list string text words numbers number"
    " check test return compute find get whether contains with"
)
INPUTS_PER_TASK = 6
DRAWS = 60_000


class Question(NamedTuple):
    """A prompt in ChatML and what is expected of the answer."""

    group: str
    prompt: str
    check: Check | None = None
    expected: tuple[str, ...] = ()


def hand_written() -> list[Question]:
    """The prompts of `held_out_prompts.toml`."""
    text = (Path(__file__).parent / "held_out_prompts.toml").read_text(encoding="utf-8")
    groups: dict[str, list[str]] = tomllib.loads(text)["prompts"]
    return [
        Question(group, prompt_text([user(prompt)]))
        for group, prompts in groups.items()
        for prompt in prompts
    ]


def common_tasks() -> list[Question]:
    """Hand-written tasks with a known result, in a trained and in a new wording."""
    questions = []
    for task in TASKS:
        usage = USAGE.match(task.usage or "")
        foreign = any(line.split()[1].split(".")[0] not in IMPORTS for line in task.imports)
        if not usage or foreign or not is_literal(f"({usage.group(2)},)"):
            continue
        reference = "\n".join([*task.imports, task.code])
        check = Check(reference, task.name, [f"({usage.group(2)},)"])
        base, third = both_forms(task.phrases[0])
        trained = prompt_text([user(f"Write a Python function to {base}.")])
        new = prompt_text([user(f"could you show me some python that {third}")])
        questions.append(Question("common tasks, trained wording", trained, check))
        questions.append(Question("common tasks, new wording", new, check))
    return questions


def is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def random_value(parameter: str, rng: Random) -> object:
    """A value that suits a parameter of that name."""
    if parameter in ("numbers", "values", "nums"):
        return [rng.randint(-20, 120) for _ in range(rng.randint(1, 9))]
    if parameter in ("text", "s", "string"):
        return "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 20)))
    if parameter == "words":
        return [rng.choice(WORDS) for _ in range(rng.randint(1, 7))]
    if parameter in ("items", "data"):
        return [rng.choice(ITEMS) for _ in range(rng.randint(1, 8))]
    return rng.randint(1, 50)


def simple_task(rng: Random) -> Task | None:
    """A task from the families whose functions can be called with random values."""
    if rng.random() < 0.75:
        return predicate_task(rng)
    task = synthetic_task(rng)
    pattern = r"convert \w+ to|^(compute|calculate|return) the [\w ]+ of an? |each (number|word)"
    callable_ = re.search(pattern, task.phrases[0]) and "class " not in task.code
    return task if callable_ else None


def check_for(task: Task, rng: Random) -> Check | None:
    """Inputs for the task's function; None when the reference cannot take them."""
    names = parameters(task.code)
    if any(name in ("path", "mapping") for name in names):
        return None
    words = "word" in task.code and names == ["items"]
    inputs = []
    for _ in range(INPUTS_PER_TASK):
        values = [random_value("words" if words else name, rng) for name in names]
        inputs.append(repr(tuple(values)))
    code = "\n".join([*task.imports, task.code])
    return Check(code, task.name, inputs)


def held_out_tasks(seed: int) -> Iterator[Task]:
    """Simple tasks with phrases that no training dialogue has, each once."""
    rng, seen = Random(seed), set()
    for _ in range(DRAWS):
        task = simple_task(rng)
        if task and is_held_out(task.phrases[0]) and task.phrases[0] not in seen:
            seen.add(task.phrases[0])
            yield task


def unseen_tasks(count: int, seed: int = 5) -> list[Question]:
    """Requests to write functions for held-out phrases, to be executed."""
    rng = Random(seed)
    questions: list[Question] = []
    for task in held_out_tasks(seed):
        check = check_for(task, rng)
        if check and len(questions) < count:
            third = both_forms(task.phrases[0]).third
            request = f"Write a Python function `{task.name}` that {third}."
            questions.append(Question("unseen simple tasks", prompt_text([user(request)]), check))
    return questions


def explanation_tasks(count: int, seed: int = 11) -> list[Question]:
    """Functions with names that say nothing, whose purpose is to be told."""
    rng = Random(seed)
    questions: list[Question] = []
    for task in held_out_tasks(seed):
        if len(questions) == count or not task.code.startswith("def"):
            continue
        hidden = disguised(task, rng)
        wording = rng.choice(EXPLAIN_WORDS["short"])
        request = wording.format(c=fenced(hidden.code, hidden.imports), n=hidden.name)
        prompt = prompt_text([user(request)])
        questions.append(Question("explanations", prompt, expected=key_words(task)))
    return questions


def key_words(task: Task) -> tuple[str, ...]:
    """The words of the phrase that an explanation cannot do without: its objects."""
    found = [word for word in re.findall(r"\w+", task.phrases[0]) if word not in UNINFORMATIVE]
    return tuple(found[1:] or found)


def tool_requests(count: int, seed: int = 9) -> list[Question]:
    """Openings of tool dialogues; expected are the call's name and first argument."""
    rng = Random(seed)
    questions: list[Question] = []
    scenes = [scene for _, scene in SCENES if scene is not answer_without_tool]
    while len(questions) < count:
        messages = scenes[len(questions) % len(scenes)](rng)
        if messages:
            call = json.loads(messages[2].text.split("<tool_call>\n")[1].split("\n</tool_call>")[0])
            expected = (call["name"], next(iter(call["arguments"].values())))
            questions.append(Question("tool calls", prompt_text(messages[:2]), expected=expected))
    return questions
