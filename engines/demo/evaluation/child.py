"""The process that executes a model's code: definitions and harmless imports only.

Reads a job as JSON from standard input, writes `right`, `wrong` or `error`.
"""

from __future__ import annotations

import ast
import json
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any

IMPORTS = frozenset(
    {"math", "re", "string", "itertools", "collections"}
    | {"functools", "statistics", "operator", "cmath"}
)
REFUSED = frozenset(
    {"open", "exec", "eval", "__import__", "input", "compile", "globals"}
    | {"getattr", "setattr", "exit", "quit", "breakpoint"}
)
MEMORY_LIMIT_BYTES = 1 << 30
CPU_LIMIT_S = 4
RELATIVE_TOLERANCE = 0.01


def is_harmless(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef():
            return True
        case ast.Import(names=aliases):
            return all(alias.name.split(".")[0] in IMPORTS for alias in aliases)
        case ast.ImportFrom(module=str(module)):
            return module.split(".")[0] in IMPORTS
    return False


def definitions(source: str) -> tuple[dict[str, Any], list[str]]:
    """The namespace of the source's functions, and their names."""
    body = [node for node in ast.parse(source).body if is_harmless(node)]
    module = ast.Module(body, [])
    for node in ast.walk(module):
        named = isinstance(node, ast.Name) and node.id in REFUSED
        if named or (isinstance(node, ast.Attribute) and node.attr.startswith("__")):
            raise ValueError("refused")
    namespace: dict[str, Any] = {}
    exec(compile(module, "answer", "exec"), namespace)
    return namespace, [node.name for node in body if isinstance(node, ast.FunctionDef)]


def settled(value: object) -> object:
    """Generators and tuples as lists, so that they can be compared."""
    return list(value) if isinstance(value, Iterator | tuple) else value


def same(result: object, expected: object) -> bool:
    result, expected = settled(result), settled(expected)
    if isinstance(expected, float) and isinstance(result, int | float):
        return abs(result - expected) <= RELATIVE_TOLERANCE * max(1, abs(expected))
    return result == expected


def judge(job: dict[str, Any]) -> str:
    namespace, names = definitions(job["code"])
    reference, _ = definitions(job["reference"])
    name = job["name"] if job["name"] in names else names[-1]
    ours: Callable[..., object] = namespace[name]
    theirs: Callable[..., object] = reference[job["name"]]
    for text in job["inputs"]:
        if not same(ours(*ast.literal_eval(text)), theirs(*ast.literal_eval(text))):
            return "wrong"
    return "right"


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    try:
        outcome = judge(json.load(sys.stdin))
    except Exception:
        outcome = "error"
    sys.stdout.write(outcome)


if __name__ == "__main__":
    main()
