"""Short true sentences about a function, read off its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from random import Random

from engines.demo.training.source.functions import FunctionNode

COMPREHENSIONS: dict[type[ast.AST], str] = {
    ast.ListComp: "It builds a list with a comprehension.",
    ast.GeneratorExp: "It uses a generator expression.",
    ast.DictComp: "It builds a dictionary with a comprehension.",
    ast.SetComp: "It builds a set with a comprehension.",
}


def short_code(node: ast.AST, limit_chars: int = 48) -> str | None:
    """The node's code when it fits into a sentence."""
    code = ast.unparse(node)
    return code if len(code) <= limit_chars and "\n" not in code and "`" not in code else None


def listed(names: Sequence[str]) -> str:
    """ "`a`, `b` and `c`"."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1]


def parameter_sentences(arguments: ast.arguments, rng: Random) -> list[str]:
    positional = arguments.posonlyargs + arguments.args
    names = [arg.arg for arg in positional if arg.arg not in ("self", "cls")]
    sentences = []
    if names and len(names) <= 5:
        leads = ["It takes ", "The function takes ", "The parameters are ", "It accepts "]
        sentences.append(rng.choice(leads) + listed(names) + ".")
    elif not names and not arguments.vararg and not arguments.kwonlyargs:
        sentences.append("It takes no arguments.")
    with_default = positional[-len(arguments.defaults) :] if arguments.defaults else []
    defaults = [
        f"`{arg.arg}` defaults to `{code}`"
        for arg, value in zip(with_default, arguments.defaults, strict=False)
        if (code := short_code(value, 20))
    ]
    if defaults and len(defaults) <= 3:
        sentences.append(" and ".join(defaults) + ".")
    return sentences


def about_if(node: ast.If, _: Random) -> str | None:
    if len(node.body) != 1 or not isinstance(node.body[0], ast.Raise) or not node.body[0].exc:
        return None
    error = node.body[0].exc
    condition = short_code(node.test, 44)
    name = short_code(error.func if isinstance(error, ast.Call) else error, 30)
    return f"If `{condition}`, it raises `{name}`." if condition and name else None


def about_for(node: ast.For, rng: Random) -> str | None:
    target, iterable = short_code(node.target, 24), short_code(node.iter, 40)
    if not target or not iterable:
        return None
    return rng.choice(
        [
            f"It loops over `{iterable}`.",
            f"The loop goes through `{iterable}` and binds each item to `{target}`.",
        ]
    )


def about_with(node: ast.With, _: Random) -> str | None:
    context = short_code(node.items[0].context_expr, 40)
    return f"It uses a `with` block on `{context}`." if context else None


def about_try(node: ast.Try, _: Random) -> str | None:
    caught = [short_code(handler.type, 30) for handler in node.handlers if handler.type]
    names = [name for name in caught if name]
    complete = 0 < len(names) == len(caught) < 3
    return f"It catches {listed(names)}." if complete else None


ABOUT: dict[type[ast.AST], Callable[..., str | None]] = {
    ast.If: about_if,
    ast.For: about_for,
    ast.With: about_with,
    ast.Try: about_try,
}


def body_sentences(function: FunctionNode, rng: Random) -> list[str]:
    """At most two sentences about statements and calls, drawn at random."""
    sentences: list[str] = []
    calls: list[str] = []
    for node in ast.walk(function):
        sentence = COMPREHENSIONS.get(type(node))
        if type(node) in ABOUT:
            sentence = ABOUT[type(node)](node, rng)
        if sentence:
            sentences.append(sentence)
        if isinstance(node, ast.Call):
            name = short_code(node.func, 28)
            if name and name not in calls and "(" not in name and name != function.name:
                calls.append(name)
    if 1 <= len(calls) <= 4:
        sentences.append(f"It calls {listed(calls[:3])}.")
    rng.shuffle(sentences)
    return list(dict.fromkeys(sentences))[:2]


def result_sentences(function: FunctionNode, rng: Random) -> list[str]:
    yields = [node for node in ast.walk(function) if isinstance(node, ast.Yield | ast.YieldFrom)]
    if yields:
        value = yields[0].value and short_code(yields[0].value, 40)
        return [f"It is a generator that yields `{value}`." if value else "It is a generator."]
    returned = [
        node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value
    ]
    code = short_code(returned[-1]) if returned else None
    if not code:
        return []
    return [
        rng.choice(
            [f"It returns `{code}`.", f"The result is `{code}`.", f"Finally it returns `{code}`."]
        )
    ]


def observations(function: FunctionNode, rng: Random) -> list[str]:
    """Sentences about parameters, body and result, in this order. Drops the decorators."""
    function.decorator_list = []
    return [
        *parameter_sentences(function.args, rng),
        *body_sentences(function, rng),
        *result_sentences(function, rng),
    ]


def observations_of_code(code: str, rng: Random) -> list[str]:
    """The same for code whose first statement is a function; nothing for other code."""
    node = ast.parse(code).body[0]
    return observations(node, rng) if isinstance(node, FunctionNode) else []
