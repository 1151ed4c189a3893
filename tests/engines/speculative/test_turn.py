"""Speculation on imagined machines, where time is what they say it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from engines.speculative.accept import accepted_count
from engines.speculative.drafters import DRAFT_MODEL, FILE_LOOKUP, PROMPT_LOOKUP
from engines.speculative.file_lookup import FileLookup
from engines.speculative.record import SpeculationRecord
from engines.speculative.turn import Speculation

RowCosts = Callable[[int], float]


def flat(rows: int) -> float:
    """A GPU: rows are nearly free."""
    return 1 + 0.02 * (rows - 1)


def linear(rows: int) -> float:
    """MLX on a CPU: every row costs a whole step."""
    return float(rows)


def kinked(rows: int) -> float:
    """llama.cpp on a CPU: the second row costs most."""
    return 1.0 if rows == 1 else 2.2 + 0.4 * (rows - 2)


def falling(rows: int) -> float:
    """Another kernel from eight rows on, as measured with an 8B model on MLX-CUDA."""
    return 1 + 0.5 * (rows - 1) if rows < 8 else 2.14


def measured(rows: int) -> float:
    """llama.cpp with the embedded target on one core of an x86 server."""
    known = ((1, 1.0), (2, 2.8), (4, 3.0), (8, 4.4), (16, 6.8), (32, 10.5), (64, 14.5))
    for (left, left_units), (right, right_units) in pairwise(known):
        if rows <= right:
            return left_units + (right_units - left_units) * (rows - left) / (right - left)
    return 14.5 * rows / 64


MACHINES = (flat, linear, kinked, falling, measured)


@dataclass
class Guesser:
    """A draft model that is right with a given chance, and takes its time."""

    text: list[int]
    accuracy: float
    token_units: float
    read_token_units: float = 0.02
    random: random.Random = field(default_factory=lambda: random.Random(7))
    elapsed: float = 0.0
    read: int = 0

    def unread_tokens(self, sequence_ids: Sequence[int]) -> int:
        return len(sequence_ids) - self.read

    def propose(self, sequence_ids: Sequence[int], depth: int, read_tokens: int) -> list[int]:
        self.elapsed += min(self.unread_tokens(sequence_ids), read_tokens) * self.read_token_units
        self.elapsed += depth * self.token_units
        self.read = len(sequence_ids)
        coming = self.text[len(sequence_ids) : len(sequence_ids) + depth]
        return [each if self.random.random() < self.accuracy else -5 for each in coming]


@dataclass
class Machine:
    """Decodes a text that is known beforehand, and counts its time in plain steps."""

    row_costs: RowCosts
    elapsed: float = 0.0
    tokens: int = 0

    def decode(
        self,
        speculation: Speculation,
        text: list[int],
        start: int,
        model: Guesser | None = None,
        noise: Callable[[], float] = lambda: 1.0,
    ) -> None:
        speculation.record.costs.note_prefill(start, self.row_costs(start) / 100)
        at = start
        while at < len(text):
            drafting = model.elapsed if model else 0.0
            plan = speculation.plan(len(text) - at - 1)
            drafted = speculation.propose(plan) if plan else []
            drafting = (model.elapsed if model else 0.0) - drafting
            accepted = accepted_count(drafted, text[at:-1])
            pass_units = self.row_costs(1 + len(drafted)) * noise()
            if plan is None:
                speculation.note_plain(pass_units / 100)
            else:
                speculation.note_draft(
                    plan, len(drafted), accepted, drafting / 100, pass_units / 100
                )
            speculation.observe(text[at : at + accepted + 1])
            self.elapsed += pass_units + drafting
            self.tokens += accepted + 1
            at += accepted + 1

    @property
    def gain(self) -> float:
        return self.tokens / self.elapsed


def prose(count: int, seed: int = 1) -> list[int]:
    """Text with frequent words and no long repetitions."""
    draw = random.Random(seed)
    return [int(draw.paretovariate(0.6)) % 2000 for _ in range(count)]


@pytest.mark.parametrize("row_costs", MACHINES)
@pytest.mark.parametrize("accuracy", [0.0, 0.4, 0.7, 0.95])
@pytest.mark.parametrize("turn_tokens", [200, 1000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_turn_is_more_than_3_percent_slower(
    row_costs: RowCosts, accuracy: float, turn_tokens: int, seed: int
) -> None:
    record = SpeculationRecord(draft_size=0.15)
    for turn in range(4):
        text = prose(60 + turn_tokens, seed * 10 + turn)
        model = Guesser(text, accuracy, token_units=0.15, random=random.Random(seed))
        machine = Machine(row_costs)
        machine.decode(Speculation(record, text[:60], None, model), text, 60, model)
        assert machine.gain > 0.97


@pytest.mark.parametrize("row_costs", MACHINES)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_treacherous_repetitions_cost_no_more_either(row_costs: RowCosts, seed: int) -> None:
    draw = random.Random(seed)
    phrases = [prose(draw.randrange(3, 20), seed + n) for n in range(12)]
    text: list[int] = []
    while len(text) < 900:
        phrase = draw.choice(phrases)
        text += [*phrase[: draw.randrange(2, len(phrase))], draw.randrange(3000)]
    machine = Machine(row_costs)
    machine.decode(Speculation(SpeculationRecord(), text[:300]), text, 300)
    assert machine.gain > 0.97


def test_a_noisy_machine_is_no_excuse() -> None:
    draw = random.Random(5)
    text = prose(1060)
    model = Guesser(text, 0.5, token_units=0.15)
    machine = Machine(kinked)
    machine.decode(
        Speculation(SpeculationRecord(0.15), text[:60], None, model),
        text,
        60,
        model,
        noise=lambda: draw.choice((0.8, 1.0, 1.0, 1.2, 3.0)),
    )
    plain = sum(draw.choice((0.8, 1.0, 1.0, 1.2, 3.0)) for _ in range(20_000)) / 20_000
    assert machine.gain * plain > 0.95


@pytest.mark.parametrize(
    ("row_costs", "gain"), [(flat, 8.0), (kinked, 1.6), (falling, 4.0), (measured, 2.5)]
)
def test_rewriting_a_file_is_fast_with_the_file_as_the_draft(
    row_costs: RowCosts, gain: float
) -> None:
    file = list(range(5000, 5600))
    text = [*prose(60), *file[:150], 1, *file[151:400], 1, 2, *file[400:]]
    machine = Machine(row_costs)
    speculation = Speculation(SpeculationRecord(), text[:60], FileLookup([file]))
    machine.decode(speculation, text, 60)
    assert machine.gain > gain
    [count] = [each for each in speculation.counts if each.drafter == FILE_LOOKUP]
    assert count.accepted_tokens > 0.8 * count.drafted_tokens


def test_a_shorter_draft_is_taken_where_the_best_one_is_too_dear() -> None:
    """So that a long passage is copied even where most of what may be lost is lost."""
    file = list(range(5000, 5300))
    record = SpeculationRecord()
    speculation = Speculation(record, prose(60), FileLookup([file]))
    for _ in range(6):
        speculation.note_plain(0.01)
    for rows in (2, 4, 8, 16, 32, 64, 2, 4, 8, 16, 32, 64):
        record.costs.note_pass(rows, 0.01 * measured(rows))
    speculation.observe(file[:70])
    depths = []
    for lost_units in (-100.0, 0.0, 2.0, 3.9):
        record.account.lost_units = lost_units
        plan = speculation.plan(100)
        depths.append(plan.depth if plan else 0)
    assert depths[0] > depths[1] > depths[2] > depths[3] == 0


def test_the_prompt_is_a_draft_too() -> None:
    passage = list(range(5000, 5300))
    text = [*passage, *prose(40), *passage]
    machine = Machine(flat)
    speculation = Speculation(SpeculationRecord(), text[:340])
    machine.decode(speculation, text, 340)
    assert machine.gain > 4
    assert [count.drafter for count in speculation.counts] == [PROMPT_LOOKUP]


def test_a_good_draft_model_is_used_deeply_where_rows_are_cheap() -> None:
    text = prose(1000)
    model = Guesser(text, 0.9, token_units=0.1)
    machine = Machine(flat)
    speculation = Speculation(SpeculationRecord(0.1), text[:60], None, model)
    machine.decode(speculation, text, 60, model)
    best = max(
        sum(0.9**n for n in range(depth + 1)) / (flat(depth + 1) + 0.1 * depth)
        for depth in range(16)
    )
    assert machine.gain > 0.85 * best
    assert speculation.counts[0].drafter == DRAFT_MODEL


def test_a_draft_model_that_never_pays_is_tried_ever_more_rarely() -> None:
    record = SpeculationRecord(draft_size=0.15)
    steps = []
    for turn in range(5):
        text = prose(560, turn)
        model = Guesser(text, 0.6, token_units=0.15)
        speculation = Speculation(record, text[:60], None, model)
        Machine(linear).decode(speculation, text, 60, model)
        steps.append(sum(c.steps for c in speculation.counts if c.drafter == DRAFT_MODEL))
    assert 1 <= steps[0] <= 8
    assert steps[-1] <= 1


def test_drafting_is_taken_up_again_when_the_draft_model_becomes_good() -> None:
    record = SpeculationRecord(draft_size=0.1)
    text = prose(3000)
    model = Guesser(text[:1000], 0.0, token_units=0.1)
    Machine(flat).decode(Speculation(record, text[:60], None, model), text[:1000], 60, model)
    model = Guesser(text, 0.95, token_units=0.1)
    machine = Machine(flat)
    machine.decode(Speculation(record, text[:1000], None, model), text, 1000, model)
    assert machine.gain > 2


def test_a_long_text_is_not_read_for_a_draft_that_may_not_pay() -> None:
    text = prose(20_100)
    model = Guesser(text, 0.6, token_units=0.15, read_token_units=0.05)
    record = SpeculationRecord(draft_size=0.15)
    machine = Machine(linear)
    machine.decode(Speculation(record, text[:19_900], None, model), text, 19_900, model)
    assert machine.gain > 0.97
    assert model.elapsed > 0


def test_room_is_never_exceeded() -> None:
    text = [1, 2, 3, 4] * 50
    speculation = Speculation(SpeculationRecord(), text)
    for _ in range(6):
        speculation.note_plain(0.01)
    for room in range(9):
        plan = speculation.plan(room)
        assert (plan.depth if plan else 0) <= room
    assert speculation.plan(8) is not None
    assert speculation.plan(0) is None
