"""Dialogues about methods of small classes: short answers that end."""

from __future__ import annotations

from random import Random

from engines.demo.training.chat import Dialogue, assistant, user
from engines.demo.training.dialogues.families import FAMILIES, article, class_code, math_import
from engines.demo.training.dialogues.templates import pick, read_texts
from engines.demo.training.source.functions import fenced
from engines.demo.training.source.observations import listed

WORDS = read_texts("practical")["method"]


def method_code(name: str, expression: str) -> str:
    other = ", other" if "other." in expression else ""
    return f"def {name}(self{other}):\n    return {expression}"


def write_method(rng: Random) -> Dialogue:
    """One method of a class that the user describes."""
    owner, parameters, methods = rng.choice(FAMILIES["formulas"]["classes"])
    name, expression = rng.choice(methods)
    fields = listed([field.strip() for field in parameters.split(",")])
    request = pick(rng, WORDS["write"]).format(
        n=name, c=owner, a=article(owner), f=fields, e=expression
    )
    lead = pick(rng, WORDS["write_answers"]).format(n=name, c=owner)
    code = fenced(method_code(name, expression), math_import(expression))
    return Dialogue("method", [user(request), assistant(f"{lead}\n\n{code}")])


def add_method(rng: Random) -> Dialogue:
    """A class is shown and gets one more method."""
    owner, parameters, methods = rng.choice(FAMILIES["formulas"]["classes"])
    name, expression = rng.choice(methods)
    others = [(n, e) for n, e in methods if n != name]
    before = class_code(owner, parameters, others[: rng.randint(0, len(others))])
    after = (
        before
        + "\n\n"
        + "\n".join("    " + line for line in method_code(name, expression).split("\n"))
    )
    request = pick(rng, WORDS["add"]).format(n=name, c=owner, e=expression, code=fenced(before))
    lead = pick(rng, WORDS["add_answers"]).format(n=name, c=owner)
    code = fenced(after, math_import(after))
    return Dialogue("method", [user(request), assistant(f"{lead}\n\n{code}")])


def method_dialogue(rng: Random) -> Dialogue:
    return write_method(rng) if rng.random() < 0.5 else add_method(rng)
