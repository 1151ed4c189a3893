"""Dialogues about functions and classes of real sources."""

from __future__ import annotations

import ast
import re
from random import Random

from engines.demo.training.chat import Dialogue, Message, assistant, user
from engines.demo.training.dialogues.templates import SOURCE, thanks
from engines.demo.training.dialogues.tool_use import tool_dialogue
from engines.demo.training.source.edits import break_code, rename
from engines.demo.training.source.functions import SourceFunction, fenced
from engines.demo.training.source.observations import observations

DOCTEST = re.compile(r"(?:^[ ]*>>>.*\n?(?:^(?![ ]*$).*\n?)*\n?)+", re.M)
EXPLAIN_REQUESTS = ["Explain it.", "How does it work?", "Can you explain the code?", "explain"]
DOCSTRING_REQUESTS = ["Add a docstring.", "Now add a docstring.", "Please document it."]


def write_request(function: SourceFunction, rng: Random) -> str:
    if function.phrase:
        return rng.choice(SOURCE["write_from_phrase"]).format(
            n=function.name,
            s=function.signature(),
            b=function.phrase.base,
            t=function.phrase.third,
        )
    return rng.choice(SOURCE["write_from_sentence"]).format(
        n=function.name, s=function.signature(), d=function.sentence
    )


def write_answer(function: SourceFunction, rng: Random) -> str:
    third = function.phrase.third if function.phrase else None
    intros = [text for text in SOURCE["write_intro"] if third or "{t}" not in text]
    intro = rng.choice(intros).format(n=function.name, t=third)
    draw, code = rng.random(), function.bare
    if draw < 0.3:
        code = function.with_docstring(f"{function.sentence}.") or function.bare
    elif draw < 0.4 and len(function.docstring) < 500 and function.docstring.isascii():
        code = function.full
    found = observations(function.node, rng)
    count = min(rng.choice([0, 1, 2, 2, 3]), len(found))
    tail = " ".join(found[i] for i in sorted(rng.sample(range(len(found)), count)))
    return f"{intro}\n\n{fenced(code, function.imports)}" + (f"\n\n{tail}" if tail else "")


def explanation(function: SourceFunction, rng: Random) -> str:
    """What the docstring says, then what the syntax tree shows."""
    first = function.paragraphs[0]
    lead = f"`{function.name}` {function.phrase.third}." if function.phrase else first
    rest = function.paragraphs[1:3] if rng.random() < 0.5 else []
    if function.phrase and function.sentence and len(first) > len(function.sentence) + 4:
        extra = first[len(function.sentence) :].lstrip(". ")
        lead += f" {extra}" if extra else ""
    found = observations(function.node, rng)[: rng.choice([2, 3, 4])]
    return "\n\n".join([lead, *rest, *([" ".join(found)] if found else [])])


def docstring_answer(function: SourceFunction, code: str, rng: Random) -> Message:
    lead = rng.choice(SOURCE["docstring_answer"]).format(n=function.name)
    return assistant(f"{lead}\n\n{fenced(code)}")


def with_reasoning(
    function: SourceFunction, request: Message, answer: Message, rng: Random
) -> Dialogue:
    phrase = function.phrase
    assert phrase is not None
    plan = rng.choice(SOURCE["plan"]).format(n=function.name, b=phrase.base, t=phrase.third)
    thought = f"{plan} {' '.join(observations(function.node, rng)[:3])}".strip()
    text = f"<think>\n{thought}\n</think>\n\n{answer.text}"
    return Dialogue("think", [user(f"{request.text} /think"), assistant(text)])


def write_dialogue(function: SourceFunction, rng: Random) -> Dialogue:
    """A request for the function, its code, and sometimes a second turn."""
    request, answer = user(write_request(function, rng)), assistant(write_answer(function, rng))
    draw = rng.random()
    turns = [request, answer]
    if draw < 0.06 and function.phrase:
        return with_reasoning(function, request, answer, rng)
    if draw < 0.12:
        turns += [user(rng.choice(EXPLAIN_REQUESTS)), assistant(explanation(function, rng))]
    elif (
        draw < 0.18
        and '"""' not in answer.text
        and (code := function.with_docstring(f"{function.sentence}."))
    ):
        request = user(rng.choice(DOCSTRING_REQUESTS))
        lead = rng.choice(SOURCE["docstring_answer"]).format(n=function.name)
        turns += [request, assistant(f"{lead}\n\n{fenced(code, function.imports)}")]
    elif draw < 0.22:
        turns += thanks(rng)
    return Dialogue("write", turns)


def method_dialogue(function: SourceFunction, rng: Random) -> Dialogue:
    if function.phrase and function.class_name:
        request = (
            f"Write a method `{function.name}` for a class `{function.class_name}`"
            f" that {function.phrase.third}."
        )
    else:
        request = write_request(function, rng)
    return Dialogue("method", [user(request), assistant(write_answer(function, rng))])


def explain_dialogue(function: SourceFunction, rng: Random) -> Dialogue:
    request = rng.choice(SOURCE["explain"]).format(c=fenced(function.bare), n=function.name)
    return Dialogue("explain", [user(request), assistant(explanation(function, rng))])


def what_dialogue(function: SourceFunction, rng: Random) -> Dialogue:
    if function.phrase and rng.random() < 0.7:
        lead = f"`{function.name}` {function.phrase.third}."
    else:
        lead = function.paragraphs[0]
    request = rng.choice(SOURCE["what"]).format(n=function.name, m=function.module)
    answer = "\n\n".join([lead, *function.paragraphs[1 : rng.choice([1, 2, 3])]])
    return Dialogue("what", [user(request), assistant(answer)])


def docstring_dialogue(function: SourceFunction, rng: Random) -> Dialogue | None:
    short = len(function.docstring) < 400 and function.docstring.isascii()
    own = short and rng.random() < 0.5
    code = function.full if own else function.with_docstring(f"{function.sentence}.")
    if not code:
        return None
    request = rng.choice(SOURCE["docstring"]).format(c=fenced(function.bare), n=function.name)
    return Dialogue("doc", [user(request), docstring_answer(function, code, rng)])


def rename_dialogue(function: SourceFunction, rng: Random) -> Dialogue | None:
    names = sorted(name for name in function.local if len(name) > 1 or rng.random() < 0.5)
    names = [name for name in names if name not in ("self", "cls", function.name)]
    if not names:
        return None
    old = rng.choice(names)
    taken = function.local | set(function.outer)
    new = rng.choice([name for name in SOURCE["new_names"] if name not in taken])
    code = rename(function.bare, old, new)
    if not code or code == function.bare:
        return None
    request = rng.choice(SOURCE["rename"]).format(a=old, b=new, c=fenced(function.bare))
    lead = rng.choice(SOURCE["rename_answer"]).format(a=old, b=new)
    return Dialogue("rename", [user(request), assistant(f"{lead}\n\n{fenced(code)}")])


def fix_dialogue(function: SourceFunction, rng: Random) -> Dialogue | None:
    broken = break_code(function.bare, rng)
    if not broken:
        return None
    request = rng.choice(SOURCE["fix"]).format(c=fenced(broken.code))
    answer = f"{broken.diagnosis} Here is the fixed code:\n\n{fenced(function.bare)}"
    return Dialogue("fix", [user(request), assistant(answer)])


def edit_dialogue(function: SourceFunction, rng: Random) -> Dialogue | None:
    """At most one dialogue that edits the function or reaches it through a tool."""
    draw = rng.random()
    if draw < 0.16 and function.sentence:
        return docstring_dialogue(function, rng)
    if draw < 0.26:
        return rename_dialogue(function, rng)
    if draw < 0.36:
        return fix_dialogue(function, rng)
    if draw < 0.42 and function.paragraphs:
        return tool_dialogue(function, explanation, rng)
    return None


def function_dialogues(function: SourceFunction, rng: Random) -> list[Dialogue]:
    """One drawing of the dialogues that this function allows."""
    found: list[Dialogue | None] = []
    described = function.sentence and not re.search(r"\b(self|cls)\b", function.sentence)
    alone = len(function.outer) <= 1 and function.class_name is None
    alone = alone and function.parameters[:1] != ["self"]
    long_enough = function.line_count >= 3
    if described and alone and long_enough:
        found.append(write_dialogue(function, rng))
    if described and not alone and long_enough and len(function.outer) <= 2 and rng.random() < 0.5:
        found.append(method_dialogue(function, rng))
    if function.paragraphs and long_enough and rng.random() < 0.55:
        found.append(explain_dialogue(function, rng))
    public = function.class_name is None and not function.name.startswith("_")
    if function.paragraphs and public and rng.random() < 0.6:
        found.append(what_dialogue(function, rng))
    found.append(edit_dialogue(function, rng))
    return [dialogue for dialogue in found if dialogue]


def docstring_example(docstring: str) -> str | None:
    """The first doctest as plain code with its output in comments, when it is a short one."""
    match = DOCTEST.search(docstring)
    if not match:
        return None
    lines, statements, outputs = [], 0, 0
    for raw in match.group(0).split("\n")[:16]:
        line = raw.strip()
        if line.startswith((">>> ", "... ")):
            lines.append(line[4:])
            statements, outputs = statements + 1, 0
        elif line in (">>>", "...", ""):
            if not line and statements:
                break
        elif len(line) < 70 and outputs < 3 and not line.startswith(("Traceback", "<")):
            lines.append(f"# {line}")
            outputs += 1
        else:
            break
    code = "\n".join(lines).rstrip()
    fits = 2 <= statements <= 10 and 20 < len(code) < 500 and code.isascii()
    return code if fits and parses(code) else None


def parses(code: str) -> bool:
    """Whether the code is valid Python."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def example_dialogue(function: SourceFunction, code: str, rng: Random) -> Dialogue:
    request = rng.choice(SOURCE["example"]).format(n=function.name, m=function.module)
    lead = rng.choice(SOURCE["example_answer"]).format(n=function.name)
    return Dialogue("example", [user(request), assistant(f"{lead}\n\n{fenced(code)}")])


def class_dialogue(name: str, module: str, texts: list[str], rng: Random) -> Dialogue:
    request = rng.choice(SOURCE["what_class"]).format(n=name, m=module)
    answer = "\n\n".join(texts[: rng.choice([1, 2, 3])])
    return Dialogue("class", [user(request), assistant(answer)])


def undocumented_code_dialogue(function: SourceFunction, rng: Random) -> Dialogue:
    """What a function does that is too long to be shown."""
    request = rng.choice(SOURCE["what"]).format(n=function.name, m=function.module)
    return Dialogue("what", [user(request), assistant("\n\n".join(function.paragraphs[:2]))])
