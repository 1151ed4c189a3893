"""`llm-tui ask`: one prompt, one answer on standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tui.command_line.constraint_options import constraint_options, read_constraint
from tui.command_line.failure import WrongUse
from tui.command_line.options import debug_option, json_option, model_options, options_from

STDIN = "-"
_ANSWER_OPTIONS = ("max_tokens", "temperature", "top_k", "top_p", "min_p", "seed")


@click.command()
@model_options
@json_option
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Longest answer.")
@click.option("--temperature", type=click.FloatRange(0, 5), metavar="T", help="0 is greedy.")
@click.option("--top-k", type=click.IntRange(0, 2**31 - 1), metavar="N", help="0 is off.")
@click.option("--top-p", type=click.FloatRange(0, 1), metavar="P", help="1 is off.")
@click.option("--min-p", type=click.FloatRange(0, 1), metavar="P", help="0 is off.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Repeatable sampling.")
@constraint_options
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Attach a text file; may be given several times.",
)
@debug_option
@click.argument("prompt", nargs=-1, required=True, metavar="PROMPT|-")
@click.pass_context
def ask(ctx: click.Context, /, prompt: tuple[str, ...], as_json: bool, **values: Any) -> None:
    """Answer one PROMPT and leave.

    The words of PROMPT are joined; a - among them stands for standard input. Standard output
    carries the answer and nothing else. With --json it is one JSON object a line.
    """
    text = _prompt_text(prompt)
    changes = {key: values.pop(key) for key in _ANSWER_OPTIONS}
    constraint = read_constraint(values.pop("json_schema"), values.pop("grammar"))
    options = options_from(ctx, values, files=values.pop("files"))
    from tui.command_line.answering import Question, answer

    question = Question(text, options, as_json=as_json, constraint=constraint, **changes)
    ctx.exit(answer(question))


def _prompt_text(words: tuple[str, ...]) -> str:
    """The prompt; standard input is set off from the words around it by an empty line."""
    texts: list[str] = []
    line: list[str] = []
    for word in words:
        if word != STDIN:
            line.append(word)
            continue
        texts += [" ".join(line), _read_stdin()]
        line = []
    texts.append(" ".join(line))
    prompt = "\n\n".join(text for text in texts if text.strip())
    if not prompt:
        raise WrongUse("The prompt is empty.", 'Write it like this: llm-tui ask "PROMPT"')
    return prompt


def _read_stdin() -> str:
    return sys.stdin.buffer.read().decode("utf-8", errors="replace").rstrip("\n")
