from __future__ import annotations

from engines.speculative.file_lookup import FileLookup

FILE = list(range(100, 160))


def copied(lookup: FileLookup, text: list[int]) -> int:
    """Tokens of `text` that were foreseen."""
    foreseen = 0
    for token_id in text:
        foreseen += lookup.next_id() == token_id
        lookup.observe(token_id)
    return foreseen


def following(*files: list[int]) -> FileLookup:
    lookup = FileLookup(files)
    lookup.follow([1, 2, 3])
    return lookup


def test_the_file_is_the_draft_from_the_third_token_on() -> None:
    lookup = following(FILE)
    assert copied(lookup, FILE[:3]) == 0
    assert lookup.propose(5) == FILE[3:8]
    assert copied(lookup, FILE[3:]) == len(FILE) - 3
    assert lookup.propose(5) == []


def test_an_exchanged_token_costs_one_token() -> None:
    lookup = following(FILE)
    text = [*FILE[:20], 7, *FILE[21:40]]
    assert copied(lookup, text) == len(text) - 3 - 1


def test_after_an_insertion_the_place_is_found_again() -> None:
    lookup = following(FILE)
    copied(lookup, [*FILE[:20], 7, 8, 9, 10])
    assert copied(lookup, FILE[20:]) == len(FILE) - 20 - 3


def test_after_a_deletion_the_place_is_found_again() -> None:
    lookup = following(FILE)
    copied(lookup, FILE[:20])
    assert copied(lookup, FILE[30:]) >= len(FILE) - 30 - 3


def test_among_equal_places_it_goes_forward_in_the_file() -> None:
    repeated = [5, 6, 7, 20, 5, 6, 7, 30, 5, 6, 7, 40]
    lookup = following(repeated)
    copied(lookup, [5, 6, 7, 20, 99, 98])
    copied(lookup, [5, 6, 7])
    assert lookup.next_id() == 30


def test_a_draft_never_runs_from_one_file_into_the_next() -> None:
    lookup = following(FILE[:10], FILE[30:40])
    copied(lookup, FILE[:8])
    assert lookup.propose(9) == FILE[8:10]
    copied(lookup, FILE[8:10])
    assert lookup.next_id() is None
    copied(lookup, FILE[30:35])
    assert lookup.propose(9) == FILE[35:40]


def test_no_file_gives_no_draft() -> None:
    lookup = following()
    copied(lookup, FILE)
    assert (lookup.propose(4), lookup.match_tokens) == ([], 0)
