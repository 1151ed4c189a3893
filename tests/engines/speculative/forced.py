"""Makes an engine draft, whatever it costs."""

from __future__ import annotations

from engines.speculative.acceptance import ContentKind
from engines.speculative.costs import StepCosts
from engines.speculative.record import SpeculationRecord


class OneDepthPays(StepCosts):
    """Claims that a pass over a draft of `depth` tokens costs next to nothing."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.plain_s = self.mean_plain_s = 1e6
        self._rows = depth + 1

    @property
    def plain_is_known(self) -> bool:
        return True

    def note_plain(self, step_s: float) -> None:
        """Keep to the claim."""

    def units(self, rows: int) -> float:
        return 0.01 if rows == self._rows else 100.0 if rows > 1 else 1.0


class ForcedRecord(SpeculationRecord):
    """Drafts `depth` tokens wherever a drafter has so many."""

    def __init__(self, depth: int) -> None:
        super().__init__(draft_size=1e-9)
        self.costs = OneDepthPays(depth)

    def draft_pays(self, content: ContentKind) -> bool:
        return True
