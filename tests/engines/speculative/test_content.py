from __future__ import annotations

import pytest

from engines.events import TextKind
from engines.speculative.accept import accepted_count
from engines.speculative.acceptance import ContentKind
from engines.speculative.content import ContentTracker


def test_code_is_what_stands_between_fences() -> None:
    tracker = ContentTracker()
    kinds = []
    for piece in ("Look:\n", "``", "`py", "thon\n", "x = 1\n", "``", "`\n", "So `x` is 1."):
        tracker.follow(piece, TextKind.ANSWER)
        kinds.append(tracker.kind)
    prose, code = ContentKind.PROSE, ContentKind.CODE
    assert kinds == [prose, prose, prose, code, code, code, prose, prose]


def test_reasoning_and_tool_calls_are_kinds_of_their_own() -> None:
    tracker = ContentTracker(starts_in_reasoning=True)
    kinds = [tracker.kind]
    for text, kind in (("{", TextKind.TOOL_CALL), ("Done", TextKind.ANSWER)):
        tracker.follow(text, kind)
        kinds.append(tracker.kind)
    assert kinds == [ContentKind.REASONING, ContentKind.TOOL_CALL, ContentKind.PROSE]


@pytest.mark.parametrize(
    ("drafted", "sampled", "expected"),
    [([], [5], 0), ([1, 2], [1, 2, 9], 2), ([1, 2, 3], [1, 7], 1), ([4], [5], 0), ([1, 2], [1], 1)],
)
def test_accepted_count(drafted: list[int], sampled: list[int], expected: int) -> None:
    assert accepted_count(drafted, sampled) == expected
