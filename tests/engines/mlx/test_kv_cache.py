"""What a KV cache holds, and how much of it another prompt can keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.models.cache import ArraysCache, RotatingKVCache
from mlx_lm.models.cache import KVCache as LayerCache

from engines.mlx.cache_store import CacheStore, TurnCaches
from engines.mlx.decoding import feed_chunk
from engines.mlx.kv_cache import (
    KVCache,
    KVQuantization,
    create_kv_cache,
    measure_growth,
)
from engines.mlx.loaded_model import LoadedModel

pytestmark = pytest.mark.model

IDS = list(range(100, 160))
BYTES_PER_TOKEN = 9 * 2 * 4 * 64 * 4


def filled(model: LoadedModel, ids: Sequence[int]) -> KVCache:
    cache = create_kv_cache(model.network)
    for start in range(0, len(ids), 32):
        feed_chunk(model.network, cache, list(ids[start : start + 32]))
    return cache


def next_logits(model: LoadedModel, cache: KVCache, token_id: int) -> np.ndarray[Any, Any]:
    return np.array(model.network(mx.array([[token_id]]), cache=cache.layers)[0, -1])


def test_a_rewound_cache_continues_as_a_fresh_one(demo_target: LoadedModel) -> None:
    rewound = filled(demo_target, IDS)
    assert rewound.rewind(40)
    assert rewound.token_ids == IDS[:40]
    fresh = filled(demo_target, IDS[:40])
    difference = next_logits(demo_target, rewound, 7) - next_logits(demo_target, fresh, 7)
    assert np.abs(difference).max() < 1e-3


def test_a_fork_goes_its_own_way(demo_target: LoadedModel) -> None:
    original = filled(demo_target, IDS)
    twin = original.fork()
    next_logits(demo_target, twin, 7)
    assert twin.layers[0].offset == original.layers[0].offset + 1
    expected = next_logits(demo_target, filled(demo_target, IDS), 9)
    assert np.abs(next_logits(demo_target, original, 9) - expected).max() < 1e-3


def test_a_fork_takes_no_memory_until_it_is_written(demo_target: LoadedModel) -> None:
    original = filled(demo_target, IDS)
    mx.eval([layer.state for layer in original.layers])
    before_bytes = mx.get_active_memory()
    twin = original.fork()
    assert mx.get_active_memory() == before_bytes
    next_logits(demo_target, twin, 7)
    mx.eval([layer.state for layer in twin.layers])
    grown_bytes = mx.get_active_memory() - before_bytes
    assert grown_bytes >= original.size_bytes
    del twin
    assert original.size_bytes == 256 * BYTES_PER_TOKEN


def test_one_token_is_always_left_to_feed(demo_target: LoadedModel) -> None:
    cache = filled(demo_target, IDS)
    assert cache.usable_tokens(IDS) == len(IDS) - 1
    assert cache.usable_tokens([*IDS, 1]) == len(IDS)
    assert cache.usable_tokens([*IDS[:10], 1, 2]) == 10
    assert cache.usable_tokens([1, 2]) == 0


@pytest.mark.parametrize("layer", [ArraysCache(2), RotatingKVCache(8)])
def test_a_cache_that_cannot_go_back_is_kept_only_for_an_extension(layer: Any) -> None:
    if isinstance(layer, RotatingKVCache):
        rows = mx.zeros((1, 1, 10, 4))
        layer.update_and_fetch(rows, rows)
    cache = KVCache([LayerCache(), layer])
    cache.token_ids = list(range(10))
    assert cache.usable_tokens(range(12)) == 10
    assert cache.usable_tokens(range(10)) == 0
    assert cache.usable_tokens([0, 1, 2, 99]) == 0
    assert not cache.rewind(5)


def test_growth_is_what_the_layers_allocate(demo_target: LoadedModel) -> None:
    cache = filled(demo_target, IDS)
    growth = measure_growth(cache)
    assert growth.bytes_per_token() == BYTES_PER_TOKEN
    assert growth.element_type == "f32"
    assert cache.size_bytes == 256 * BYTES_PER_TOKEN
    for bits in (8, 4):
        quantization = KVQuantization(bits, 64)
        packed = filled(demo_target, IDS)
        packed.quantize(quantization)
        assert packed.size_bytes == 256 * growth.bytes_per_token(quantization)


def test_windows_and_recurrent_state_count_as_fixed() -> None:
    window, state, growing = RotatingKVCache(8), ArraysCache(1), LayerCache()
    rows = mx.zeros((1, 2, 1, 4), dtype=mx.float16)
    window.update_and_fetch(rows, rows)
    growing.update_and_fetch(rows, rows)
    state[0] = mx.zeros((1, 5), dtype=mx.float32)
    growth = measure_growth(KVCache([window, state, growing]))
    assert growth.bytes_per_token() == 2 * 2 * 4 * 2
    assert growth.fixed_bytes == 8 * 2 * 2 * 4 * 2 + 20
    assert not growth.divisible_by(2)


class TestCacheStore:
    @pytest.fixture
    def store(self, demo_target: LoadedModel) -> CacheStore:
        return CacheStore(2**30, lambda: TurnCaches(create_kv_cache(demo_target.network)))

    def put(self, store: CacheStore, key: str, model: LoadedModel, ids: Sequence[int]) -> None:
        store.put(key, TurnCaches(filled(model, ids)))

    def test_a_conversation_continues_its_own_cache(
        self, store: CacheStore, demo_target: LoadedModel
    ) -> None:
        self.put(store, "a", demo_target, IDS)
        assert store.size_bytes == 256 * BYTES_PER_TOKEN
        assert store.take("a", [*IDS, 1]).target.token_ids == IDS
        assert store.size_bytes == 0

    def test_a_new_conversation_forks_the_longest_match(
        self, store: CacheStore, demo_target: LoadedModel
    ) -> None:
        self.put(store, "short", demo_target, IDS[:36])
        self.put(store, "long", demo_target, IDS)
        forked = store.take("new", [*IDS[:50], 1, 2, 3])
        assert forked.target.token_ids == IDS[:50]
        assert store.take("long", [*IDS, 1]).target.token_ids == IDS

    def test_a_branch_worth_less_than_a_copy_is_not_taken(
        self, store: CacheStore, demo_target: LoadedModel
    ) -> None:
        self.put(store, "other", demo_target, IDS)
        assert store.take("new", [*IDS[:5], 1, 2]).target.token_ids == []

    def test_what_is_forgotten_is_gone(self, store: CacheStore, demo_target: LoadedModel) -> None:
        self.put(store, "a", demo_target, IDS)
        store.forget("a")
        store.forget("never there")
        assert store.take("a", IDS).target.token_ids == []

    def test_the_budget_is_kept(self, demo_target: LoadedModel) -> None:
        store = CacheStore(1, lambda: TurnCaches(create_kv_cache(demo_target.network)))
        self.put(store, "a", demo_target, IDS)
        self.put(store, "b", demo_target, IDS[:8])
        assert store.size_bytes == 256 * BYTES_PER_TOKEN
