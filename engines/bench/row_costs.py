"""What verifying several rows in one pass costs, and the most that drafts could ever gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engines.bench.workbench import Workbench

ROW_COUNTS = (1, 2, 4, 8, 16, 32, 64)
_CONTEXT_TOKENS = 128
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class RowCosts:
    """Args:
    by_rows: Time of a pass over so many rows ÷ time of a pass over one.
    """

    by_rows: dict[int, float]

    @property
    def best_possible_gain(self) -> float:
        """Speed over plain decode if every draft were free, of the best length and all right."""
        return max(rows / cost for rows, cost in self.by_rows.items())

    def to_json(self) -> dict[str, Any]:
        return {
            "row_costs": {str(rows): cost for rows, cost in self.by_rows.items()},
            "best_possible_gain": self.best_possible_gain,
        }


def measure_row_costs(
    bench: Workbench,
    row_counts: Sequence[int] = ROW_COUNTS,
    context_tokens: int = _CONTEXT_TOKENS,
) -> RowCosts:
    """Time every number of rows in turns; of each the fastest counts, other work disturbs it."""
    times_s: dict[int, list[float]] = {rows: [] for rows in (1, *row_counts)}
    for _ in range(_ROUNDS):
        for rows, measured in times_s.items():
            measured.append(bench.time_rows(rows, context_tokens))
    one_row_s = min(times_s[1])
    return RowCosts({rows: min(times_s[rows]) / one_row_s for rows in row_counts})
