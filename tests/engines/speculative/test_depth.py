"""A limit on the depth of drafts, which a profile may set."""

from __future__ import annotations

import pytest

from engines.speculative.file_lookup import FileLookup
from engines.speculative.record import SpeculationRecord
from engines.speculative.turn import DraftPlan, Speculation
from tests.engines.speculative.test_turn import Guesser, Machine, flat, prose


class NotingSpeculation(Speculation):
    """Remembers how long its drafts were."""

    def propose(self, plan: DraftPlan) -> list[int]:
        drafted = super().propose(plan)
        lengths.append(len(drafted))
        return drafted


lengths: list[int] = []


@pytest.fixture(autouse=True)
def forget_lengths() -> None:
    lengths.clear()


def record(depth_max: int | None) -> SpeculationRecord:
    record = SpeculationRecord(0.1)
    record.depth_max = depth_max
    return record


@pytest.mark.parametrize("depth", [None, 1, 3, 7])
def test_a_draft_model_drafts_no_more_than_that(depth: int | None) -> None:
    text = prose(600)
    model = Guesser(text, 0.97, token_units=0.02)
    speculation = NotingSpeculation(record(depth), text[:60], None, model)
    Machine(flat).decode(speculation, text, 60, model)
    assert max(lengths) == depth if depth else max(lengths) > 7


@pytest.mark.parametrize("depth", [None, 3])
def test_nor_does_a_lookup(depth: int | None) -> None:
    file = list(range(5000, 5600))
    text = [*prose(60), *file]
    speculation = NotingSpeculation(record(depth), text[:60], FileLookup([file]))
    Machine(flat).decode(speculation, text, 60)
    assert max(lengths) == depth if depth else max(lengths) > 7
