from __future__ import annotations

import random

import pytest

from engines.speculative.prompt_lookup import NGRAM_SIZES, PromptLookup


def following(*token_ids: int) -> PromptLookup:
    lookup = PromptLookup()
    lookup.follow(token_ids)
    return lookup


def test_proposes_what_followed_the_same_tokens() -> None:
    lookup = following(1, 2, 3, 4, 5, 6, 9, 2, 3)
    assert lookup.propose(3) == [4, 5, 6]
    assert lookup.next_id() == 4
    assert lookup.match_tokens == 2


def test_proposes_nothing_where_nothing_is_repeated() -> None:
    lookup = following(1, 2, 3, 4)
    assert (lookup.propose(4), lookup.next_id(), lookup.match_tokens) == ([], None, 0)


def test_the_longest_match_comes_first_and_the_newest_place_among_equals() -> None:
    assert following(0, 1, 2, 3, 50, 2, 3, 60, 9, 0, 1, 2, 3).propose(1) == [50]
    assert following(2, 3, 50, 7, 2, 3, 60, 9, 2, 3).propose(1) == [60]


def test_goes_round_where_the_text_repeats_itself() -> None:
    assert following(7, 8, 9, 7, 8, 9, 7, 8, 9).propose(7) == [7, 8, 9, 7, 8, 9, 7]


def test_follows_its_place_while_it_is_right_and_looks_again_when_it_is_not() -> None:
    lookup = following(1, 2, 3, 4, 5, 6, 7, 8, 1, 2)
    for token_id in (3, 4, 5):
        assert lookup.next_id() == token_id
        lookup.observe(token_id)
    assert lookup.match_tokens == 5
    lookup.observe(99)
    assert lookup.match_tokens == 0
    lookup.observe(7)
    lookup.observe(8)
    assert lookup.next_id() == 1


def test_a_changed_sequence_leaves_no_trace_of_the_old_one() -> None:
    lookup = following(1, 2, 3, 4, 5, 6)
    lookup.follow([1, 2, 3, 4, 8, 9, 2, 3])
    assert lookup.propose(2) == [4, 8]
    lookup.follow([1, 2, 3, 4, 8, 5, 6])
    assert lookup.propose(2) == []
    assert lookup.token_ids == [1, 2, 3, 4, 8, 5, 6]


def test_the_same_prompt_again_finds_the_same_places() -> None:
    prompt = [1, 2, 3, 4, 5, 6, 9, 2, 3]
    lookup = following(*prompt)
    for token_id in (4, 5, 2, 3, 7):
        lookup.observe(token_id)
    lookup.follow(prompt)
    assert lookup.propose(3) == [4, 5, 6]


def test_following_the_same_tokens_twice_finds_no_place_at_the_end() -> None:
    lookup = following(1, 2, 3, 4)
    lookup.follow([1, 2, 3, 4])
    assert lookup.next_id() is None


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_a_search_of_the_whole_text(seed: int) -> None:
    draw = random.Random(seed)
    ids = [draw.randrange(4) for _ in range(40)]
    step_by_step = following(*ids[:20])
    for token_id in ids[20:]:
        step_by_step.observe(token_id)
    at_once = following(*ids)
    longest = max(
        (n for n in NGRAM_SIZES for end in range(n, 40) if ids[end - n : end] == ids[-n:]),
        default=0,
    )
    for lookup in (step_by_step, at_once):
        assert lookup.match_tokens >= longest
        if longest:
            place = lookup._place
            held = min(lookup.match_tokens, place)
            assert place < 40
            assert ids[place - held : place] == ids[40 - held :]
