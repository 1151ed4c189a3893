from __future__ import annotations

import pytest

from engines.speculative.costs import StepCosts


def measured(plain_s: float = 0.01) -> StepCosts:
    costs = StepCosts()
    for _ in range(5):
        costs.note_plain(plain_s)
    return costs


def test_nothing_is_known_before_a_few_plain_steps() -> None:
    costs = StepCosts()
    costs.note_plain(0.01)
    assert not costs.plain_is_known
    assert costs.plain_tps is None
    assert measured().plain_tps == pytest.approx(100)


def test_a_pass_costs_what_was_measured_and_between_what_lies_between() -> None:
    costs = measured()
    for _ in range(3):
        costs.note_pass(4, 0.02)
        costs.note_pass(8, 0.06)
    assert costs.units(1) == 1
    assert costs.units(4) == pytest.approx(2)
    assert costs.units(6) == pytest.approx(4)
    assert costs.units(10) == pytest.approx(7)


def test_a_prefill_chunk_is_a_pass_of_many_rows() -> None:
    costs = measured()
    costs.note_prefill(101, 0.11)
    assert costs.units(11) == pytest.approx(2)
    assert costs.prefill_token_units() == pytest.approx(11 / 101)


def test_a_curve_need_not_rise() -> None:
    costs = measured()
    for _ in range(3):
        costs.note_pass(6, 0.04)
        costs.note_pass(8, 0.02)
    assert costs.units(8) < costs.units(6)
    assert costs.units(16) == pytest.approx(2)


def test_one_disturbed_measurement_changes_nothing() -> None:
    costs = measured()
    for pass_s in (0.02, 0.5, 0.02):
        costs.note_pass(4, pass_s)
    costs.note_plain(1.0)
    assert costs.units(4) == pytest.approx(2)
    assert costs.plain_s == pytest.approx(0.01, rel=0.05)


def test_costs_are_ratios_so_that_a_slower_machine_does_not_change_them() -> None:
    costs = measured(0.01)
    for _ in range(3):
        costs.note_pass(4, 0.02)
    for _ in range(9):
        costs.note_plain(0.05)
    assert costs.units(4) == pytest.approx(2)


def test_a_first_measurement_is_only_half_believed() -> None:
    costs = measured()
    costs.note_prefill(101, 0.11)
    costs.note_pass(11, 0.08)
    assert costs.units(11) == pytest.approx(4)
    costs.note_pass(11, 0.02)
    costs.note_pass(11, 0.02)
    assert costs.units(11) == pytest.approx(2)
    costs.age()
    assert costs.units(11) == pytest.approx(2)
