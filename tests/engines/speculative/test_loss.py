from __future__ import annotations

from engines.speculative.loss import LOSS_SHARE, WORST_SHARE, LossAccount

GREAT = 10.0


def account(tokens: float = 0.0, lost_units: float = 0.0) -> LossAccount:
    made = LossAccount()
    made.add(tokens + lost_units, tokens)
    return made


def test_a_step_that_wins_even_at_its_worst_is_always_affordable() -> None:
    assert account().affords(1.0, 1.0, 1.0)
    assert account(1000, 19).affords(1.0, 1.0, GREAT)


def test_the_worst_case_stays_within_its_share_of_a_long_turn() -> None:
    budget = WORST_SHARE * 1000
    assert account(1000).affords(budget + 1.0, budget + 1.0, GREAT)
    assert not account(1000, 0.1).affords(budget + 1.0, budget + 1.0, GREAT)


def test_a_poor_prospect_may_not_use_the_last_of_it() -> None:
    assert account(1000, 15).affords(3.0, 3.0, GREAT)
    assert not account(1000, 15).affords(3.0, 3.0, 1.1)


def test_what_probably_loses_is_kept_to_a_smaller_share() -> None:
    at_risk = LOSS_SHARE * 1000 - 1
    assert account(1000).affords(at_risk + 1.0, 1.0, GREAT)
    assert not account(1000, 2.0).affords(at_risk + 1.0, 1.0, GREAT)


def test_a_turn_begins_carefully_and_counts_as_long_before_it_is() -> None:
    at_risk = 1.5 * LOSS_SHARE * 100
    assert not account(0).affords(at_risk + 1.0, 1.0, GREAT)
    assert account(100).affords(at_risk + 1.0, 1.0, GREAT)


def test_what_was_won_may_be_risked_again_but_in_this_turn_alone() -> None:
    made = account(100, -30.0)
    assert made.affords(20.0, 20.0, 1.0)
    made.begin_turn()
    assert not made.affords(20.0, 20.0, 1.0)


def test_a_short_turn_leaves_some_of_its_loss_to_the_next_one() -> None:
    made = account(10, 3.0)
    made.begin_turn()
    assert made.tokens == 0
    assert 0 < made.lost_units < LOSS_SHARE * 100
