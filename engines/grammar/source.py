"""Reads JSON schemas and grammars, and says what is wrong with them.

The work is done by `llguidance`: it knows JSON Schema, GBNF and Lark grammars, needs no other
package, works on token bytes alone (so that one implementation serves both engines), tells which
of all tokens may follow in some ten microseconds (llama.cpp's own grammar sampler takes some
milliseconds), never ends the process over a bad grammar, and is what llama.cpp, vLLM and SGLang
offer for the same purpose. `outlines-core` compiles a table of states for a whole vocabulary
first, and knows no recursive grammars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import llguidance

from engines.errors import GenerationError
from engines.types import Constraint, ConstraintKind

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

_NAMES = {ConstraintKind.JSON_SCHEMA: "JSON schema", ConstraintKind.GRAMMAR: "grammar"}
_LONGEST_REASON = 200
_JSON_OPTIONS: JsonCompileOptions = {"whitespace_pattern": r"( |\n{1,2}[ \t]{0,20})?"}
"""As in llama.cpp: where JSON allows any space, a small model can go on with spaces for ever."""


def compile_constraint(constraint: Constraint) -> str:
    """The grammar of `constraint` in the form that `llguidance` takes.

    Raises:
        GenerationError: it is not well-formed, refers to something outside of it, or uses what
            `llguidance` does not support.
    """
    try:
        if constraint.kind is ConstraintKind.JSON_SCHEMA:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(
                constraint.text, defaults=_JSON_OPTIONS
            )
        else:
            grammar = llguidance.grammar_from("gbnf", constraint.text)
    except ValueError as error:
        raise _refused(constraint.kind, str(error)) from error
    is_refused, reasons = llguidance.LLMatcher.validate_grammar_with_warnings(grammar)
    if is_refused:
        raise _refused(constraint.kind, reasons[0])
    return grammar


def _refused(kind: ConstraintKind, reason: str) -> GenerationError:
    first_line = reason.strip().partition("\n")[0].rstrip(":")
    return GenerationError(
        f"The {_NAMES[kind]} cannot be used: {first_line[:_LONGEST_REASON]}.",
        f"Correct the {_NAMES[kind]}.",
    )
