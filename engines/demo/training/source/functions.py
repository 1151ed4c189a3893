"""A function cut out of a source file, with and without its docstring."""

from __future__ import annotations

import ast
import builtins
import re
import sys
import textwrap
from collections.abc import Iterable

from engines.demo.training.source.prose import first_sentence, paragraphs
from engines.demo.training.source.words import verb_phrase

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
BUILTINS = set(dir(builtins))
KNOWN_PACKAGES = set(sys.stdlib_module_names) | {
    "numpy",
    "pandas",
    "torch",
    "scipy",
    "matplotlib",
    "sklearn",
    "sympy",
    "networkx",
    "requests",
    "yaml",
    "jax",
    "PIL",
}


def fenced(code: str, imports: Iterable[str] = ()) -> str:
    """The code in a Markdown fence, below the imports it needs."""
    head = "".join(line + "\n" for line in imports)
    return f"```python\n{head}{chr(10) * 2 if head else ''}{code}\n```"


def known_imports(tree: ast.Module, own_package: str) -> dict[str, str]:
    """Name -> import statement, of the standard library and well-known packages."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                if root in KNOWN_PACKAGES and root != own_package:
                    rename = f" as {alias.asname}" if alias.asname else ""
                    found[alias.asname or root] = f"import {alias.name}{rename}"
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            root = node.module.split(".")[0]
            if root in KNOWN_PACKAGES and root != own_package and node.module != "__future__":
                for alias in node.names:
                    rename = f" as {alias.asname}" if alias.asname else ""
                    statement = f"from {node.module} import {alias.name}{rename}"
                    found[alias.asname or alias.name] = statement
    return found


def bound_by(node: ast.AST) -> Iterable[str]:
    """The names that one syntax node binds."""
    match node:
        case ast.Name(id=name) if not isinstance(node.ctx, ast.Load):
            return [name]
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.ClassDef(name=name):
            return [name]
        case ast.ExceptHandler(name=str(name)):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [(alias.asname or alias.name).split(".")[0] for alias in aliases]
    return []


def outer_and_local_names(function: FunctionNode) -> tuple[set[str], set[str]]:
    """Names that the function takes from its module, and names that it binds itself."""
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(function):
        bound.update(bound_by(node))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
    return used - bound - BUILTINS - {function.name}, bound


def dedented(lines: list[str], width: int) -> str:
    return "\n".join(line[width:] if not line[:width].strip() else line for line in lines).rstrip()


def without_gap_after_signature(code: str) -> str:
    """Drops the blank line that a removed docstring leaves below the signature."""
    lines = code.split("\n")
    for i, line in enumerate(lines):
        if line.rstrip().endswith(":"):
            if i + 1 < len(lines) and not lines[i + 1].strip():
                del lines[i + 1]
            break
    return "\n".join(lines)


class SourceFunction:
    """A documented function of a module.

    Attributes:
        full, bare: Its code with and without the docstring, at the left margin.
        docstring, paragraphs, sentence, phrase: What it does, from long to short.
        imports: Import statements that the code needs.
        outer: Names from its module that no import provides.
        local: Names that it binds.
    """

    def __init__(
        self,
        node: FunctionNode,
        lines: list[str],
        imports: dict[str, str],
        class_name: str | None,
        module: str,
    ) -> None:
        self.node, self.name, self.class_name, self.module = node, node.name, class_name, module
        self.docstring = ast.get_docstring(node) or ""
        self.full, self.bare = cut(node, lines)
        outer, self.local = outer_and_local_names(node)
        self.imports = [imports[name] for name in sorted(outer) if name in imports]
        self.outer = [name for name in outer if name not in imports]
        self.line_count = self.bare.count("\n") + 1
        self.paragraphs = paragraphs(self.docstring)
        self.sentence = first_sentence(self.paragraphs[0]) if self.paragraphs else None
        self.phrase = verb_phrase(self.sentence) if self.sentence else None
        self.parameters = [arg.arg for arg in node.args.posonlyargs + node.args.args]

    def signature(self) -> str:
        """`name(parameters)`, or `name()` when the parameters are long."""
        arguments = ast.unparse(self.node.args)
        return f"{self.name}({arguments})" if len(arguments) < 60 else f"{self.name}()"

    def with_docstring(self, text: str) -> str | None:
        """The bare code with `text` as its docstring; None when that does not parse."""
        lines = self.bare.split("\n")
        last = signature_end(lines)
        body = next((line for line in lines[last + 1 :] if line.strip()), "    ")
        indent = body[: len(body) - len(body.lstrip())]
        code = "\n".join(lines[: last + 1] + docstring_lines(text, indent) + lines[last + 1 :])
        return code if has_docstring(code) else None


def cut(node: FunctionNode, lines: list[str]) -> tuple[str, str]:
    """The function's code with and without its docstring, moved to the left margin."""
    first, doc = node.lineno - 1, node.body[0]
    width = len(lines[first]) - len(lines[first].lstrip())
    bare = dedented(lines[first : doc.lineno - 1] + lines[doc.end_lineno : node.end_lineno], width)
    bare = bare.replace("\n\n\n", "\n\n")
    return dedented(lines[first : node.end_lineno], width), without_gap_after_signature(bare)


def signature_end(lines: list[str]) -> int:
    """Index of the line that ends the signature."""
    for i, line in enumerate(lines):
        if line.rstrip().endswith(":") or re.search(r":\s*#", line):
            return i
    return len(lines) - 1


def docstring_lines(text: str, indent: str) -> list[str]:
    wrapped = textwrap.wrap(text, 88 - len(indent))
    if len(wrapped) == 1 and len(wrapped[0]) < 76:
        return [f'{indent}"""{wrapped[0]}"""']
    return [f'{indent}"""{wrapped[0]}', *(indent + line for line in wrapped[1:]), f'{indent}"""']


def has_docstring(code: str) -> bool:
    try:
        node = ast.parse(code).body[0]
    except SyntaxError:
        return False
    return isinstance(node, FunctionNode) and ast.get_docstring(node) is not None


def with_one_line_docstring(code: str, text: str) -> str:
    """A simple function's code with a docstring of one line."""
    start = code.index(":\n") + 2
    return f'{code[:start]}    """{text[0].upper() + text[1:]}."""\n{code[start:]}'
