"""Two things measured in turns, so that a change of the machine's speed meets both."""

from __future__ import annotations

from collections.abc import Callable

from engines.bench.figures import Run


def in_turns(
    repeat: int,
    ours: Callable[[], Run],
    library: Callable[[], Run],
    note: Callable[[str, Run], None] = lambda name, run: None,
) -> tuple[list[Run], list[Run]]:
    """`repeat` runs of each; who begins changes every time."""
    sides = {"ours": ours, "library": library}
    runs: dict[str, list[Run]] = {"ours": [], "library": []}
    for number in range(repeat):
        for name in sides if number % 2 == 0 else reversed(sides):
            run = sides[name]()
            runs[name].append(run)
            note(name, run)
    return runs["ours"], runs["library"]
