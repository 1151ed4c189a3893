from __future__ import annotations

import random

import pytest

from engines.kv.parking import CacheParking, ParkedCache
from engines.kv.prefix import common_prefix_length


@pytest.mark.parametrize("seed", range(200))
def test_common_prefix_length_agrees_with_the_plain_loop(seed: int) -> None:
    rng = random.Random(seed)
    shared = [rng.randrange(3) for _ in range(rng.randrange(30))]
    a = shared + [rng.randrange(3) for _ in range(rng.randrange(30))]
    b = shared + [rng.randrange(3) for _ in range(rng.randrange(30))]
    expected = 0
    while expected < min(len(a), len(b)) and a[expected] == b[expected]:
        expected += 1
    assert common_prefix_length(a, b) == expected


def parked(token_ids: list[int], size_bytes: int = 10) -> ParkedCache[str]:
    return ParkedCache(token_ids, "cache", size_bytes)


def test_the_cache_used_longest_ago_goes_first() -> None:
    parking: CacheParking[str] = CacheParking(budget_bytes=25)
    parking.park("a", parked([1]))
    parking.park("b", parked([2]))
    parking.park("a", parked([1]))
    parking.park("c", parked([3]))
    assert parking.take("b") is None
    assert parking.take("a") is not None
    assert parking.take("a") is None


def test_a_cache_larger_than_the_budget_still_parks_alone() -> None:
    parking: CacheParking[str] = CacheParking(budget_bytes=5)
    parking.park("a", parked([1]))
    parking.park("b", parked([2], size_bytes=100))
    assert parking.peek("a") is None
    assert parking.peek("b") is not None


def test_longest_match_names_the_best_key() -> None:
    parking: CacheParking[str] = CacheParking(budget_bytes=100)
    parking.park("a", parked([1, 2, 3]))
    parking.park("b", parked([1, 2, 3, 4, 5]))
    assert parking.longest_match((1, 2, 3, 4, 9)) == ("b", 4)
    assert parking.longest_match((7,)) is None
