"""The order of launching a step and waiting for the one before it."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import mlx.core as mx
import pytest

from engines.mlx import decoding
from engines.mlx.decoding import Decoder, as_ids
from engines.mlx.kv_cache import KVCache
from engines.mlx.sampling import Sampler
from engines.types import SamplingParams

VOCABULARY = 6
PENALTIES = SamplingParams(temperature=0.8, repetition_penalty=1.2, presence_penalty=0.3, seed=1)


class AnyForm:
    """A constraint that refuses nothing and notes when it is asked."""

    def __init__(self, order: list[str]) -> None:
        self._order = order

    def prepare(self) -> None:
        self._order.append("prepare")

    def allows(self, token_id: int) -> bool:
        return True

    def accept(self, token_id: int) -> None:
        self._order.append("accept")


def decode(
    monkeypatch: pytest.MonkeyPatch, order: list[str], sampler: Sampler, tokens: int
) -> list[int]:
    """Let a network without weights write; `order` takes `feed` and `wait`."""

    def network(token_ids: mx.array, cache: object) -> mx.array:
        order.append("feed")
        return mx.broadcast_to(mx.arange(VOCABULARY) * 1.0, (1, token_ids.size, VOCABULARY))

    def wait(token_array: mx.array) -> list[int]:
        order.append("wait")
        return as_ids(token_array)

    monkeypatch.setattr(decoding, "as_ids", wait)
    cache = cast(KVCache, SimpleNamespace(token_ids=[1, 2], layers=[]))
    written = [token.id for token in islice(Decoder(network, cache, sampler).run(3), tokens)]
    assert cache.token_ids[: 3 + tokens - 1] == [1, 2, 3, *written[:-1]]
    return written


@pytest.mark.parametrize("params", [SamplingParams(temperature=0), PENALTIES])
def test_a_step_is_in_flight_while_the_one_before_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, params: SamplingParams
) -> None:
    order: list[str] = []
    decode(monkeypatch, order, Sampler(params), 3)
    assert order == ["feed", "feed", "wait", "feed", "wait", "feed", "wait"]


def test_a_constraint_is_worked_out_before_the_token_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    form: Any = AnyForm(order)
    decode(monkeypatch, order, Sampler(SamplingParams(temperature=0), form=form), 2)
    assert order == [
        "feed",
        "prepare",
        "wait",
        "accept",
        "feed",
        "prepare",
        "wait",
        "accept",
        "feed",
    ]
