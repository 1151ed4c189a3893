"""What is accepted as a schema or a grammar, and what is said about the rest."""

from __future__ import annotations

import pytest

from engines.errors import GenerationError
from engines.grammar.source import compile_constraint
from engines.types import Constraint, ConstraintKind


def schema(text: str) -> Constraint:
    return Constraint(ConstraintKind.JSON_SCHEMA, text)


def grammar(text: str) -> Constraint:
    return Constraint(ConstraintKind.GRAMMAR, text)


@pytest.mark.parametrize(
    "constraint",
    [
        schema("{}"),
        schema('{"type": "array", "items": {"$ref": "#"}}'),
        schema('{"anyOf": [{"const": 1}, {"type": "string", "pattern": "^a+$"}]}'),
        grammar('root ::= "yes" | "no" ws\nws ::= [ \\t]*'),
        grammar('start: "yes" | /[0-9]+/'),
    ],
)
def test_usable_ones_compile(constraint: Constraint) -> None:
    assert compile_constraint(constraint)


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (schema("not json"), "JSON schema"),
        (schema(""), "JSON schema"),
        (schema("3"), "object schema"),
        (schema('{"type": "strange"}'), "strange"),
        (schema('{"$ref": "#/nowhere"}'), "nowhere"),
        (schema('{"$ref": "https://127.0.0.1/other.json"}'), "not present"),
        (schema('{"not": {"type": "string"}}'), "not"),
        (schema('{"pattern": "(["}'), "regex"),
        (schema('{"enum": []}'), "nsatisfiable|enum"),
        (schema('{"items": ' * 20_000 + "{}" + "}" * 20_000), "recursion"),
        (grammar(""), "root"),
        (grammar("root ::= other"), "other"),
        (grammar('start: "a" b'), "grammar"),
        (grammar("root ::= " + "(" * 20_000 + '"a"' + ")" * 20_000), "recursion"),
    ],
)
def test_the_others_are_refused_in_one_line(constraint: Constraint, words: str) -> None:
    with pytest.raises(GenerationError, match=words) as error:
        compile_constraint(constraint)
    assert error.value.hint
    assert "\n" not in error.value.message
    assert len(error.value.message) < 300
