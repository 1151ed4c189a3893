"""Makes an engine draft, whatever it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engines.speculative.acceptance import ContentKind
from engines.speculative.costs import StepCosts
from engines.speculative.file_lookup import FileLookup
from engines.speculative.record import SpeculationRecord


class OneDepthPays(StepCosts):
    """Claims that a pass over a draft of `depth` tokens costs next to nothing.

    One over fewer tokens costs no more than a plain step, so that feeding some again is for free.
    """

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
        return 0.01 if rows == self._rows else 1.0 if rows < self._rows else 100.0


class ForcedRecord(SpeculationRecord):
    """Drafts `depth` tokens wherever a drafter has so many.

    Args:
        file_ids: Tokens of a file that the answer may repeat; any others are ignored.
    """

    def __init__(self, depth: int, file_ids: Sequence[int] = ()) -> None:
        super().__init__(draft_size=1e-9)
        self.costs = OneDepthPays(depth)
        self._file_ids = file_ids

    def file_lookup(
        self, references: tuple[str, ...], tokenize: Callable[[str], Sequence[int]]
    ) -> FileLookup | None:
        if self._file_ids:
            return FileLookup([self._file_ids])
        return super().file_lookup(references, tokenize)

    def draft_pays(self, content: ContentKind) -> bool:
        return True


def spoiled(answer_ids: Sequence[int]) -> list[int]:
    """An answer with every tenth token exchanged, so that a draft from it is refused there."""
    return [11 if place % 10 == 9 else token_id for place, token_id in enumerate(answer_ids)]
