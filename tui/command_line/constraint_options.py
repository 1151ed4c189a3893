"""The options that hold an answer to a form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.command_line.failure import WrongUse

if TYPE_CHECKING:
    from engines.types import Constraint

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def constraint_options(command: Decorated) -> Decorated:
    command = click.option(
        "--grammar",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Answer in the language of this grammar, in GBNF or Lark notation.",
    )(command)
    return click.option(
        "--json-schema",
        metavar="FILE|JSON",
        help="Answer in JSON that this schema describes.",
    )(command)


def read_constraint(json_schema: str | None, grammar: Path | None) -> Constraint | None:
    """The constraint that was asked for, known to be usable.

    Raises:
        WrongUse: both were given, the file cannot be read, or its text cannot be used.
    """
    if json_schema is None and grammar is None:
        return None
    from engines.errors import GenerationError
    from engines.grammar.source import compile_constraint
    from engines.types import Constraint, ConstraintKind

    if json_schema is not None and grammar is not None:
        raise WrongUse("Give --json-schema or --grammar, not both.")
    if json_schema is None:
        constraint = Constraint(ConstraintKind.GRAMMAR, _read(Path(str(grammar))))
    elif json_schema.lstrip().startswith("{"):
        constraint = Constraint(ConstraintKind.JSON_SCHEMA, json_schema)
    else:
        constraint = Constraint(ConstraintKind.JSON_SCHEMA, _read(Path(json_schema)))
    try:
        compile_constraint(constraint)
    except GenerationError as error:
        raise WrongUse(error.message, error.hint) from error
    return constraint


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path} cannot be read: {error}.", "Name a text file.") from error
