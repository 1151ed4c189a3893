"""Synthetic tasks: a grammar of predicates and operations, unit conversions, shapes, classes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from engines.demo.training.dialogues.tasks import Task, read_task
from engines.demo.training.dialogues.templates import pick, read_texts
from engines.demo.training.source.observations import observations_of_code

FAMILIES = read_texts("families")
GRAMMAR = read_texts("operations")
ONE_LINERS = [read_task(entry) for entry in read_texts("one_liners")["task"]]
NEGATIONS = {
    " == ": " != ",
    " != ": " == ",
    " > ": " <= ",
    " < ": " >= ",
    " is None": " is not None",
    ' in "aeiou"': ' not in "aeiou"',
}
MARKS = [("*", "an asterisk"), ("_", "an underscore"), ("-", "a dash"), ("?", "a question mark")]
HELD_OUT_ONE_IN = 16


def is_held_out(phrase: str) -> bool:
    """One of 16 task phrases is never trained on; evaluation executes what is written for it."""
    return zlib.crc32(phrase.encode()) % HELD_OUT_ONE_IN == 0


def negated(test: str) -> str:
    """The opposite of a condition, written as a person would."""
    for operator, opposite in NEGATIONS.items():
        if operator in test and " and " not in test and " not in " not in test:
            return test.replace(operator, opposite, 1)
    simple = " " not in test or test.startswith(("isinstance", "word.", "c."))
    return f"not {test}" if simple else f"not ({test})"


def article(noun: str) -> str:
    return "an" if noun[0].lower() in "aeiou" else "a"


def predicate_fields(kind: str, rng: Random) -> dict[str, str]:
    """The words and the condition of one predicate, with a parameter and a container."""
    grammar = GRAMMAR["kinds"][kind]
    plural, singular, test, name = rng.choice(FAMILIES["predicates"][kind])
    parameter = rng.choice(grammar["parameters"])
    return {
        "plural": plural,
        "singular": singular,
        "a": article(singular),
        "test": test,
        "fails": negated(test),
        "name": name,
        "v": grammar["variable"],
        "seq": parameter,
        "container": pick(rng, grammar["containers"]),
        "members": grammar["members"],
    }


def phrases_for(operation: str, fields: dict[str, str]) -> list[str]:
    phrases: list[str] = list(GRAMMAR["operations"][operation]["phrases"])
    if operation in ("max", "min") and fields["singular"].split()[1:2] != ["number"]:
        phrases[1] = phrases[0]
    return phrases


def predicate_task(rng: Random) -> Task:
    """Count, filter, find … what passes a test."""
    kinds = ["number", "number", "character", "character", "word", "item"]
    kind = rng.choice(kinds)
    fields = predicate_fields(kind, rng)
    operation = rng.choice(GRAMMAR["kinds"][kind]["operations"])
    if operation == "longest":
        operation = rng.choice(["longest", "shortest"])
    if operation == "replace":
        fields["mark"], fields["mark_name"] = rng.choice(MARKS)
    entry: dict[str, Any] = GRAMMAR["operations"][operation]
    phrase = pick(rng, phrases_for(operation, fields)).format(**fields)
    code = pick(rng, entry["code"]).format(**fields).strip("\n")
    return Task((phrase,), code, entry["note"].format(**fields))


def map_task(rng: Random) -> Task:
    """Do the same with each number or word of a list."""
    number = ("numbers", "n", rng.choice(FAMILIES["maps"]["number"]))
    word = ("words", "word", rng.choice(FAMILIES["maps"]["word"]))
    sequence, variable, (request, expression, name) = rng.choice([number, word])
    phrase = f"{request} {'in' if rng.random() < 0.5 else 'of'} a list"
    comprehension = (
        f"def {name}_all({sequence}):\n    return [{expression} for {variable} in {sequence}]"
    )
    loop = (
        f"def {name}_each({sequence}):\n"
        f"    result = []\n"
        f"    for {variable} in {sequence}:\n"
        f"        result.append({expression})\n"
        f"    return result"
    )
    note = "It builds a new list and does not change the old one."
    return Task((phrase,), rng.choice([comprehension, loop]), note)


def unit_task(rng: Random) -> Task:
    source, target, factor = rng.choice(FAMILIES["formulas"]["units"])
    target_words = target.replace("_", " ")
    phrase = f"convert {source.replace('_', ' ')} to {target_words}"
    code = f"def {source}_to_{target}({source}):\n    return {source} {factor}"
    notes = [f"The result is `{source} {factor}`.", f"It returns the number of {target_words}."]
    return Task((phrase,), code, rng.choice(notes))


def math_import(code: str) -> tuple[str, ...]:
    return ("import math",) if "math." in code else ()


def shape_task(rng: Random) -> Task:
    quantity, shape, parameters, formula = rng.choice(FAMILIES["formulas"]["shapes"])
    verb = rng.choice(["compute", "calculate", "return"])
    phrase = f"{verb} the {quantity} of {article(shape)} {shape}"
    name = f"{shape}_{quantity}".replace(" ", "_")
    code = f"def {name}({parameters}):\n    return {formula}"
    return Task((phrase,), code, f"The formula is `{formula}`.", None, math_import(formula))


def class_code(name: str, parameters: str, methods: list[tuple[str, str]]) -> str:
    fields = [field.strip() for field in parameters.split(",")]
    lines = [f"class {name}:", f"    def __init__(self, {parameters}):"]
    lines += [f"        self.{field} = {field}" for field in fields]
    for method, expression in methods:
        other = ", other" if "other." in expression else ""
        lines += ["", f"    def {method}(self{other}):", f"        return {expression}"]
    return "\n".join(lines)


def class_task(rng: Random) -> Task:
    name, parameters, all_methods = rng.choice(FAMILIES["formulas"]["classes"])
    chosen = rng.sample(all_methods, rng.randint(1, len(all_methods)))
    methods = sorted((method, expression) for method, expression in chosen)
    fields = [field.strip() for field in parameters.split(",")]
    names = " and ".join(method for method, _ in methods)
    wanted = f"the methods {names}" if len(methods) > 1 else f"{article(names)} {names} method"
    phrases = [
        f"write a class for {article(name)} {name.lower()} with {wanted}",
        f"define a class `{name}` with the attributes {' and '.join(fields)}",
        f"write a `{name}` class",
        f"create a class `{name}` with a method `{methods[0][0]}`",
    ]
    code = class_code(name, parameters, methods)
    stored = [f"`{field}`" for field in fields]
    listed = stored[0] if len(stored) == 1 else f"{', '.join(stored[:-1])} and {stored[-1]}"
    note = f"`__init__` stores {listed} on the object."
    return Task((rng.choice(phrases),), code, note, None, math_import(code))


def one_liner_task(rng: Random) -> Task:
    task = rng.choice(ONE_LINERS)
    found = observations_of_code(task.code, rng)
    note = " ".join(found[-2:]) if found else "That is all you need."
    return Task(task.phrases, task.code, note, None, task.imports)


SHARES: list[tuple[float, Callable[[Random], Task]]] = [
    (0.42, predicate_task),
    (0.50, map_task),
    (0.57, unit_task),
    (0.63, shape_task),
    (0.70, class_task),
    (1.00, one_liner_task),
]


def synthetic_task(rng: Random) -> Task:
    """A task from one of the families."""
    draw = rng.random()
    make_task = next(make for limit, make in SHARES if draw < limit)
    return make_task(rng)


def trainable_task(rng: Random) -> Task:
    """A synthetic task without the phrases that are held out."""
    while True:
        task = synthetic_task(rng)
        phrases = tuple(phrase for phrase in task.phrases if not is_held_out(phrase))
        if phrases:
            return Task(phrases, task.code, task.note, task.usage, task.imports)
