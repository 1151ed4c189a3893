"""Markdown answers of an exact length, always the same for the same number.

They hold what chat models write: headings, paragraphs with inline markup, bulleted and numbered
lists, fenced Python, tables and quotes. The first word and the last word of an answer occur
nowhere else, so that a reader of the screen can tell when they show.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from engines.scripted import split_tokens

SEED = 20_26
_WORDS = {
    kind: words.split()
    for kind, words in tomllib.loads(Path(__file__).with_name("words.toml").read_text()).items()
}
NOUNS, VERBS, LINKS = _WORDS["nouns"], _WORDS["verbs"], _WORDS["links"]
ADJECTIVES, CALLS = _WORDS["adjectives"], _WORDS["calls"]


def first_word(number: int) -> str:
    """The word that opens answer `number`."""
    return f"Open{number}q"


def last_word(number: int) -> str:
    """The word that ends answer `number`, its last token."""
    return f"Done{number}q"


def write_answer(number: int, tokens: int) -> str:
    """Answer `number`, of exactly `tokens` tokens as the scripted engine counts them."""
    random = Random(SEED * number)
    ending = f"\n\n{last_word(number)}"
    room = tokens - len(split_tokens(ending))
    text = f"## {first_word(number)}\n\n"
    for block in _blocks(random):
        if len(split_tokens(text + block)) > room:
            break
        text += block
    words = room - len(split_tokens(text)) + 1  # the first word shares the last newline's token
    return text + _filling(random, words) + ending


def _blocks(random: Random) -> Iterator[str]:
    """Sections without end: a title, a paragraph, and three blocks of other kinds."""
    kinds = [_bullets, _code, _table, _paragraph, _numbers, _code, _quote]
    while True:
        yield f"## The {random.choice(ADJECTIVES)} {random.choice(NOUNS)}\n\n"
        yield _paragraph(random)
        random.shuffle(kinds)
        yield from (write(random) for write in kinds[:3])


def _sentence(random: Random, clauses: int = 2) -> str:
    parts = [_clause(random)]
    parts += [f"{random.choice(LINKS)} {_clause(random)}" for _ in range(clauses - 1)]
    words = " ".join(parts).split()
    position = random.randrange(1, len(words))
    words[position] = random.choice(
        [
            words[position],
            f"`{random.choice(CALLS)}_{random.choice(NOUNS)}()`",
            f"**{words[position]}**",
            f"*{words[position]}*",
        ]
    )
    return f"{words[0].capitalize()} {' '.join(words[1:])}."


def _clause(random: Random) -> str:
    subject = f"the {random.choice(ADJECTIVES)} {random.choice(NOUNS)}"
    return f"{subject} {random.choice(VERBS)} a {random.choice(NOUNS)}"


def _paragraph(random: Random) -> str:
    return " ".join(_sentence(random) for _ in range(random.randint(2, 5))) + "\n\n"


def _bullets(random: Random) -> str:
    return "".join(f"- {_sentence(random)}\n" for _ in range(random.randint(3, 6))) + "\n"


def _numbers(random: Random) -> str:
    lines = []
    for number in range(1, random.randint(4, 6)):
        lines.append(f"{number}. {_sentence(random)}\n")
        if random.random() < 0.4:
            lines.append(f"   - {_sentence(random, 1)}\n")
    return "".join(lines) + "\n"


def _quote(random: Random) -> str:
    return f"> {_sentence(random)}\n> {_sentence(random)}\n\n"


def _table(random: Random) -> str:
    names = random.sample(NOUNS, 3)
    rows = [f"| {' | '.join(names)} | note |", "|---|---:|:---:|---|"]
    for _ in range(random.randint(3, 6)):
        figures = f"{random.randint(1, 9999)} | {random.random():.3f}"
        note = f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)}"
        rows.append(f"| {random.choice(NOUNS)} | {figures} | {note} |")
    return "\n".join(rows) + "\n\n"


def _code(random: Random) -> str:
    call, source, target = random.choice(CALLS), *random.sample(NOUNS, 2)
    lines = [
        f"def {call}_{source}({source}s: list[str], limit: int = {random.randint(2, 99)}) -> int:",
        f'    """{_sentence(random, 1)}"""',
        f"    {target}s: dict[str, int] = {{}}  # {random.choice(ADJECTIVES)} first",
        f"    for position, item in enumerate({source}s):",
    ]
    lines += [_statement(random, target) for _ in range(random.randint(3, 9))]
    return "```python\n" + "\n".join([*lines, f"    return len({target}s)"]) + "\n```\n\n"


def _statement(random: Random, target: str) -> str:
    name, call, number = random.choice(NOUNS), random.choice(CALLS), random.randint(2, 9)
    return random.choice(
        [
            f"        {target}s[item] = {call}(item, depth={number})",
            f"        if position % {number} == 0:\n            {target}s.pop(item, None)",
            f'        print(f"{{position:>4}} {name} {{item!r}}")',
            f"        {name} = [part for part in item.split() if len(part) < {number}]",
            f"        assert item, '{name} is empty'",
        ]
    )


def _filling(random: Random, count: int) -> str:
    """`count` short words, each of them one token."""
    short = [word for word in NOUNS if len(word) <= 5]
    words = [random.choice(short) for _ in range(count)]
    for end in range(11, count, 12):
        words[end] = words[end][:4] + "."
    return " ".join(words)
