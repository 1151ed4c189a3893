"""The figures of the model card."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from engines.demo.evaluation.answers import Answer, Model
from engines.demo.evaluation.execution import verdict
from engines.demo.evaluation.questions import Question

FENCE = re.compile(r"```python\n(.*?)\n```", re.S)
TOOL_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)
DRAFT_DEPTH = 4


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    part: int
    whole: int

    def __str__(self) -> str:
        percent = 100 * self.part / self.whole if self.whole else 0.0
        return f"{self.part}/{self.whole} ({percent:.1f} %)"

    def to_json(self) -> dict[str, int]:
        return asdict(self)


def shares(outcomes: Sequence[tuple[str, bool]]) -> dict[str, Share]:
    """The share of true outcomes by group."""
    whole = Counter(group for group, _ in outcomes)
    part = Counter(group for group, good in outcomes if good)
    return {group: Share(part[group], count) for group, count in whole.items()}


def is_right(question: Question, answer: Answer) -> bool:
    """Whether the first fenced function does what the reference does."""
    fence = FENCE.search(answer.text)
    if not fence or not question.check:
        return False
    return verdict(fence.group(1), question.check) == "right"


def parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def parse_outcomes(answers: Sequence[Answer]) -> list[tuple[str, bool]]:
    """One outcome for each answer with a closed Python fence: do all its fences parse?"""
    fences = [FENCE.findall(answer.text) for answer in answers]
    return [("fenced Python that parses", all(map(parses, found))) for found in fences if found]


def has_call(question: Question, answer: Answer) -> bool:
    """Whether the answer calls the expected tool with the expected first argument."""
    call = TOOL_CALL.search(answer.text)
    try:
        found = json.loads(call.group(1)) if call else {}
        first = next(iter(found["arguments"].values()))
        return (found["name"], first) == question.expected
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return False


def names_all(question: Question, answer: Answer) -> bool:
    """Whether an explanation has every word that it cannot do without."""
    words = re.findall(r"\w+", answer.text.lower())
    stems = [word.lower().rstrip("s") for word in question.expected]
    return all(any(word.startswith(stem) for word in words) for stem in stems)


def acceptance(draft: Model, answers: Sequence[Answer], depth: int = DRAFT_DEPTH) -> Share:
    """Accepted of drafted tokens when every step drafts `depth` tokens, greedily.

    Replays the target's greedy answers, so the figure does not depend on this machine's speed.
    """
    drafted = accepted = 0
    for answer in answers:
        done = 0
        while done < len(answer.token_ids):
            known = answer.prompt_ids + answer.token_ids[:done]
            guess = draft.answer(known, max_tokens=depth).token_ids
            following = answer.token_ids[done : done + len(guess)]
            hits = next(
                (i for i, (a, b) in enumerate(zip(guess, following, strict=False)) if a != b),
                len(following),
            )
            drafted += min(len(guess), len(answer.token_ids) - done)
            accepted += hits
            done += hits + 1
    return Share(accepted, drafted)
