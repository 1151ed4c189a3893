"""Speculation where a refused draft takes confirmed tokens along, which are then fed again."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from engines.speculative.accept import accepted_count
from engines.speculative.file_lookup import FileLookup
from engines.speculative.record import SpeculationRecord
from engines.speculative.turn import Speculation
from tests.engines.speculative.test_turn import (
    MACHINES,
    Guesser,
    RowCosts,
    falling,
    flat,
    prose,
)

REPLAY_MAX_TOKENS = 8


@dataclass
class Machine:
    """Takes the whole pass back after a refusal in a draft longer than `free_depth`."""

    row_costs: RowCosts
    free_depth: int
    elapsed: float = 0.0
    tokens: int = 0

    def decode(
        self, speculation: Speculation, text: list[int], start: int, model: Guesser | None = None
    ) -> None:
        speculation.record.costs.note_prefill(start, self.row_costs(start) / 100)
        at, lacking = start, 0
        while at < len(text):
            before = model.elapsed if model else 0.0
            plan = speculation.plan(len(text) - at - 1)
            drafted = speculation.propose(plan) if plan else []
            drafting = (model.elapsed if model else 0.0) - before
            accepted = accepted_count(drafted, text[at:-1])
            units, again = 0.0, lacking
            if lacking > REPLAY_MAX_TOKENS:
                units, lacking = self.row_costs(lacking), 0
            units += self.row_costs(1 + len(drafted) + lacking)
            if plan is None:
                speculation.note_plain(None if again else units / 100)
                speculation.note_replay(again)
            else:
                speculation.note_draft(
                    plan, len(drafted), accepted, drafting / 100, units / 100, again
                )
            is_taken_back = accepted < len(drafted) > self.free_depth
            lacking = lacking + accepted + 1 if is_taken_back else 0
            speculation.observe(text[at : at + accepted + 1])
            self.elapsed += units + drafting
            self.tokens += accepted + 1
            at += accepted + 1

    @property
    def gain(self) -> float:
        return self.tokens / self.elapsed


def speculation_on(
    machine: Machine,
    record: SpeculationRecord,
    prompt: list[int],
    file: list[int] | None = None,
    model: Guesser | None = None,
) -> Speculation:
    lookup = FileLookup([file]) if file else None
    return Speculation(record, prompt, lookup, model, free_depth=machine.free_depth)


@pytest.mark.parametrize("free_depth", [0, 3])
@pytest.mark.parametrize("row_costs", MACHINES)
@pytest.mark.parametrize("accuracy", [0.0, 0.4, 0.7, 0.95])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_turn_is_more_than_3_percent_slower(
    row_costs: RowCosts, accuracy: float, seed: int, free_depth: int
) -> None:
    record = SpeculationRecord(draft_size=0.15)
    for turn in range(4):
        text = prose(360, seed * 10 + turn)
        model = Guesser(text, accuracy, token_units=0.15, random=random.Random(seed))
        machine = Machine(row_costs, free_depth)
        machine.decode(speculation_on(machine, record, text[:60], None, model), text, 60, model)
        assert machine.gain > 0.97


@pytest.mark.parametrize("free_depth", [0, 3])
@pytest.mark.parametrize("row_costs", MACHINES)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_treacherous_repetitions_cost_no_more_either(
    row_costs: RowCosts, seed: int, free_depth: int
) -> None:
    draw = random.Random(seed)
    phrases = [prose(draw.randrange(3, 20), seed + n) for n in range(12)]
    text: list[int] = []
    while len(text) < 900:
        phrase = draw.choice(phrases)
        text += [*phrase[: draw.randrange(2, len(phrase))], draw.randrange(3000)]
    machine = Machine(row_costs, free_depth)
    machine.decode(speculation_on(machine, SpeculationRecord(), text[:300]), text, 300)
    assert machine.gain > 0.97


@pytest.mark.parametrize(("row_costs", "gain"), [(flat, 4.5), (falling, 3.5)])
def test_rewriting_a_file_is_fast_all_the_same(row_costs: RowCosts, gain: float) -> None:
    file = list(range(5000, 5600))
    text = [*prose(60), *file[:150], 1, *file[151:400], 1, 2, *file[400:]]
    machine = Machine(row_costs, free_depth=0)
    machine.decode(speculation_on(machine, SpeculationRecord(), text[:60], file), text, 60)
    assert machine.gain > gain


def test_where_feeding_again_is_dear_a_doubtful_draft_is_not_tried() -> None:
    """Half of its tokens are right: with free refusals that pays, with dear ones it does not."""

    def second_row_is_free(rows: int) -> float:
        return max(1.0, rows / 2)

    drafted = []
    for free_depth in (31, 0):
        text = prose(1000)
        model = Guesser(text, 0.55, token_units=0.01)
        machine = Machine(second_row_is_free, free_depth)
        record = SpeculationRecord(0.01)
        speculation = speculation_on(machine, record, text[:60], None, model)
        machine.decode(speculation, text, 60, model)
        assert machine.gain > 0.97
        drafted.append(sum(count.drafted_tokens for count in speculation.counts))
    assert drafted[1] < drafted[0]


def test_a_plain_step_that_feeds_again_is_charged_to_the_drafts() -> None:
    record = SpeculationRecord()
    speculation = Speculation(record, [1, 2, 3], free_depth=0)
    for _ in range(8):
        speculation.note_plain(0.01)
    record.costs.note_prefill(64, 64 * 0.01)
    before = record.account.lost_units
    speculation.note_replay(4)
    assert record.account.lost_units - before == pytest.approx(4, rel=0.3)
