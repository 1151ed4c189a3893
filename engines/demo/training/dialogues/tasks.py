"""Dialogues about everyday programming tasks that were written by hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from engines.demo.training.chat import Message, assistant, system, tool, user
from engines.demo.training.dialogues.templates import (
    DIRECTORIES,
    WORDINGS,
    read_texts,
    system_text,
    thanks,
)
from engines.demo.training.dialogues.tools import offer_tools, tool_call, tool_system
from engines.demo.training.source.edits import rename
from engines.demo.training.source.functions import fenced, with_one_line_docstring
from engines.demo.training.source.observations import observations_of_code
from engines.demo.training.source.words import VerbPhrase, both_forms, capitalized, gerund, lowered

ASK = WORDINGS["ask"]
OTHER_NAMES = ["foo", "func", "solve", "helper", "compute", "process", "task", "f"]


@dataclass(frozen=True)
class Task:
    """A request with its solution.

    Attributes:
        phrases: What is asked for, the canonical phrase first ("reverse a string").
        code: A function, a class, or a few statements.
        note: A sentence or two that explain the code.
        usage: A call with its result, or None.
        imports: Import statements that the code needs.
    """

    phrases: tuple[str, ...]
    code: str
    note: str
    usage: str | None = None
    imports: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        match = re.search(r"(?:def|class) (\w+)", self.code)
        assert match, self.code
        return match.group(1)

    @property
    def is_function(self) -> bool:
        return self.code.startswith(("def", "async def"))


def read_task(entry: dict[str, Any]) -> Task:
    usage = entry.get("usage")
    return Task(
        tuple(entry["phrases"]),
        entry["code"].strip("\n"),
        entry.get("note", ""),
        usage.strip("\n") if usage else None,
        tuple(entry.get("imports", ())),
    )


TASKS = [read_task(entry) for entry in read_texts("tasks")["task"]]


@dataclass(frozen=True)
class AnsweredTask:
    """A task as it was asked and answered, for a second turn to refer to."""

    task: Task
    original_name: str
    phrase: VerbPhrase
    body: str
    request: str
    answer: str

    @property
    def turn(self) -> list[Message]:
        return [user(self.request), assistant(self.answer)]


def word_request(rng: Random, phrase: VerbPhrase, name: str | None) -> str:
    """A request in one of many thousand wordings."""
    base, third = phrase
    if name is None and rng.random() < 0.42:
        request = rng.choice(ASK["bare"])
    else:
        noun = rng.choice(ASK["nouns"])
        uncounted = noun in ("Python code", "code", "a bit of code")
        article = "" if uncounted else "an " if noun[0] in "aeio" else "a "
        lead = rng.choice(ASK["leads"])
        named = rng.choice(ASK["names"]) if name else ""
        request = lead.format(a=article + noun + named) + rng.choice(ASK["links"])
    doing = gerund(base)
    fields = {"b": base, "t": third, "g": doing, "n": name}
    request = request.format(**fields, B=capitalized(base), G=capitalized(doing))
    request += rng.choice(ASK["tails"])
    asks = re.match(r"(how|what|can|could|would|is|any)\b", request, re.I)
    return request + str(rng.choice(["?", "?", "", "."] if asks else [".", ".", "", "!"]))


def with_other_variables(task: Task, base: str, rng: Random) -> Task:
    """Renames common parameters now and then, in the code and in the note."""
    code, note = task.code, task.note
    for name, alternatives in ASK["alternative_names"].items():
        if rng.random() < 0.3 and re.search(rf"\b{name}\b", code) and name not in base:
            new = rng.choice(alternatives)
            if not re.search(rf"\b{new}\b", code):
                code = rename(code, name, new) or code
                note = note.replace(f"`{name}`", f"`{new}`")
    return replace(task, code=code, note=note)


def other_name(name: str, rng: Random) -> str:
    if rng.random() >= 0.6:
        return name
    if rng.random() < 0.5:
        return str(rng.choice(ASK["name_prefixes"])) + name
    squeezed, short = name.replace("_", ""), name.split("_")[0] + "_it"
    return rng.choice([*OTHER_NAMES, squeezed, short, "my_function", "do_it"])


def with_name(task: Task, new: str) -> Task:
    """The same task with another function name throughout."""
    name = re.compile(rf"(?<![.\w]){task.name}\b")
    return replace(
        task,
        code=name.sub(new, task.code),
        usage=name.sub(new, task.usage) if task.usage else None,
        note=re.sub(rf"`{task.name}\b", f"`{new}", task.note),
    )


def request_task(task: Task, phrase: VerbPhrase, named: bool, rng: Random) -> str:
    template = rng.choice(ASK["named" if named else "plain"])
    if rng.random() < 0.65:
        request = word_request(rng, phrase, task.name if named else None)
    else:
        base, third = phrase
        request = template.format(b=base, t=third, B=capitalized(base), n=task.name)
    if rng.random() < 0.12 and request.endswith("."):
        request = request[:-1]
    if rng.random() < 0.12:
        request = lowered(request)
    return f"Please {lowered(request)}" if rng.random() < 0.05 else request


def answer_task(task: Task, phrase: VerbPhrase, rng: Random) -> tuple[str, str]:
    """The code as it is shown, and the whole answer."""
    body = task.code
    if task.is_function and rng.random() < 0.3 and task.code.startswith("def"):
        body = with_one_line_docstring(task.code, phrase.third)
    if task.usage and rng.random() < 0.4:
        body += f"\n\n\n{task.usage}"
    intro = rng.choice(ASK["intros"]).format(b=phrase.base, t=phrase.third)
    answer = (f"{intro}\n\n" if intro else "") + fenced(body, task.imports)
    return body, answer


def explain_it(asked: AnsweredTask, rng: Random) -> list[Message]:
    requests = [
        "Explain it.",
        "How does it work?",
        "explain",
        "Why does this work?",
        "What does it do?",
    ]
    lead = f"`{asked.task.name}`" if asked.task.is_function else "The code"
    text = f"{lead} {asked.phrase.third}. {asked.task.note}"
    return [*asked.turn, user(rng.choice(requests)), assistant(text)]


def think_first(asked: AnsweredTask, rng: Random) -> list[Message]:
    found = observations_of_code(asked.task.code, rng)[:2] if asked.task.is_function else []
    plans = [
        "A short function is enough.",
        "I will write a small function and explain it.",
        "A few lines of Python are enough.",
    ]
    thought = " ".join([f"The user wants to {asked.phrase.base}.", rng.choice(plans), *found])
    answer = f"<think>\n{thought}\n</think>\n\n{asked.answer}"
    return [user(f"{asked.request} /think"), assistant(answer)]


def show_usage(asked: AnsweredTask, rng: Random) -> list[Message] | None:
    if not asked.task.usage:
        return None
    requests = [
        "How do I use it?",
        "Show me an example.",
        "Give me an example.",
        "How do I call it?",
    ]
    request = user(rng.choice(requests))
    return [*asked.turn, request, assistant(f"For example:\n\n{fenced(asked.task.usage)}")]


def add_docstring(asked: AnsweredTask, rng: Random) -> list[Message] | None:
    task = asked.task
    if not task.code.startswith("def") or '"""' in asked.body:
        return None
    request = rng.choice(["Add a docstring.", "Please add a docstring.", "Now document it."])
    code = with_one_line_docstring(task.code, asked.phrase.third)
    answer = f"Here is the function with a docstring:\n\n{fenced(code, task.imports)}"
    return [*asked.turn, user(request), assistant(answer)]


def rename_function(asked: AnsweredTask, rng: Random) -> list[Message] | None:
    task = asked.task
    if not task.is_function or task.name != asked.original_name:
        return None
    new = rng.choice(["solve", "compute", "helper", "run", f"my_{task.name}"])
    code = with_name(task, new).code
    answer = f"I renamed `{task.name}` to `{new}`:\n\n{fenced(code, task.imports)}"
    return [*asked.turn, user(f"Rename the function to `{new}`."), assistant(answer)]


def parameters(code: str) -> list[str]:
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return [arg.arg for arg in node.args.args]


def rename_parameter(asked: AnsweredTask, rng: Random) -> list[Message] | None:
    task = asked.task
    if not task.is_function:
        return None
    names = parameters(task.code)
    if not names:
        return asked.turn
    old = rng.choice(names)
    free = [
        name for name in ["value", "data", "arg", "x", "given", "source"] if name not in task.code
    ]
    new = rng.choice(free)
    requests = [f"Rename `{old}` to `{new}`.", f"Call the parameter `{new}` instead of `{old}`."]
    request = user(rng.choice(requests))
    code = fenced(rename(task.code, old, new) or task.code, task.imports)
    answer = f"Here is the code with `{old}` renamed to `{new}`:\n\n{code}"
    return [*asked.turn, request, assistant(answer)]


def say_thanks(asked: AnsweredTask, rng: Random) -> list[Message]:
    return [*asked.turn, *thanks(rng)]


def ask_another(asked: AnsweredTask, rng: Random) -> list[Message]:
    another = task_dialogue(rng, rng.choice(TASKS))[:2]
    return [*asked.turn, *(another if another[0].role == "user" else [])]


def save_to_file(asked: AnsweredTask, rng: Random) -> list[Message] | None:
    task, (base, third) = asked.task, asked.phrase
    if not task.is_function:
        return None
    schemas, tools = offer_tools(rng, ["write"])
    path = rng.choice(DIRECTORIES) + task.name + ".py"
    head = "\n".join(task.imports) + "\n\n\n" if task.imports else ""
    prompt = tool_system(schemas, system_text(rng))
    requests = [
        f"Create `{path}` with a function to {base}.",
        f"Write a function that {third} and save it in {path}.",
        f"Add {path}: a function to {base}.",
    ]
    request = user(rng.choice(requests))
    call = assistant(tool_call(tools["write"], path, f"{head}{task.code}\n"))
    result = tool(rng.choice(["ok", "done", f"Wrote {path}"]))
    reply = assistant(f"I wrote `{task.name}` to `{path}`. {task.note}")
    return [system(prompt), request, call, result, reply]


FOLLOW_UPS: list[tuple[float, Callable[[AnsweredTask, Random], list[Message] | None]]] = [
    (0.06, think_first),
    (0.16, explain_it),
    (0.24, show_usage),
    (0.30, add_docstring),
    (0.35, rename_function),
    (0.41, rename_parameter),
    (0.50, say_thanks),
    (0.56, ask_another),
    (0.60, save_to_file),
]
"""Each with the share of dialogues up to which it is tried; the next one that applies is taken."""


def task_dialogue(rng: Random, task: Task) -> list[Message]:
    """The task, asked and answered in one of many ways, perhaps with a second turn."""
    phrase = both_forms(rng.choice(task.phrases) if rng.random() < 0.6 else task.phrases[0])
    original_name = task.name
    if task.is_function:
        task = with_other_variables(task, phrase.base, rng)
    named = task.is_function and task.name != "main" and rng.random() < 0.35
    if named:
        task = with_name(task, other_name(task.name, rng))
    request = request_task(task, phrase, named, rng)
    body, answer = answer_task(task, phrase, rng)
    if rng.random() < 0.7:
        answer += f"\n\n{task.note}"
    asked = AnsweredTask(task, original_name, phrase, body, request, answer)
    draw = rng.random()
    for limit, follow_up in FOLLOW_UPS:
        if draw < limit and (messages := follow_up(asked, rng)):
            return messages
    return asked.turn
