"""Both engines draw by the same rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from engines.llama_cpp.sampling import SamplerChain
from engines.mlx.sampling import Sampler
from engines.types import SamplingParams

pytestmark = pytest.mark.model

SIZE = 24
DRAWS = 1200
BIAS = {3: 4.0, 5: -30.0}


class Multiples:
    """A constraint that allows every third token."""

    def allows(self, token_id: int) -> bool:
        return token_id % 3 == 0

    def allowed(self, vocabulary_size: int) -> Any:
        return np.arange(vocabulary_size) % 3 == 0

    def accept(self, token_id: int) -> None:
        assert token_id % 3 == 0


def logits_of(seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 2, SIZE).astype(np.float32)


def drawn_by_mlx(
    params: SamplingParams, logits: Any, bias: Mapping[int, float], form: Any
) -> Counter[int]:
    sampler = Sampler(params, bias, form)
    rows = mx.repeat(mx.array(logits)[None], DRAWS, axis=0)
    sampled: Any = sampler.sample(rows, 0, None).tolist()
    return Counter(
        token_id
        for position, first in enumerate(sampled)
        for token_id in sampler.settle(rows[:1], [first], [], position, None)
    )


def drawn_by_llama_cpp(
    params: SamplingParams, logits: Any, bias: Mapping[int, float], form: Any
) -> Counter[int]:
    chain = SamplerChain(params, SIZE, (), bias, form)
    drawn = Counter(chain.draw_from(logits) for _ in range(DRAWS))
    chain.close()
    return drawn


@pytest.mark.parametrize("form", [None, Multiples()], ids=["free", "constrained"])
@pytest.mark.parametrize("bias", [{}, BIAS], ids=["plain", "biased"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.6},
        {"top_k": 5},
        {"top_p": 0.8},
        {"min_p": 0.1},
        {"temperature": 1.7, "top_k": 9, "top_p": 0.9, "min_p": 0.05},
    ],
    ids=str,
)
def test_the_same_tokens_come_as_often(
    settings: dict[str, float], bias: dict[int, float], form: Any
) -> None:
    params = SamplingParams(**({"temperature": 1.0, "seed": 5} | settings))  # type: ignore[arg-type]
    logits = logits_of(len(settings))
    mlx = drawn_by_mlx(params, logits, bias, form)
    llama_cpp = drawn_by_llama_cpp(params, logits, bias, form)
    often = {token_id for token_id in range(SIZE) if mlx[token_id] > DRAWS / 100}
    assert often <= set(llama_cpp)
    difference = sum(abs(mlx[token_id] - llama_cpp[token_id]) for token_id in range(SIZE))
    assert difference / (2 * DRAWS) < 0.1
    if form is not None:
        assert all(token_id % 3 == 0 for token_id in mlx | llama_cpp)


def test_a_constrained_draw_follows_the_distribution_of_what_is_allowed() -> None:
    logits = logits_of(1)
    allowed = np.where(np.arange(SIZE) % 3 == 0, np.exp(logits), 0)
    expected = allowed / allowed.sum()
    params = SamplingParams(temperature=1.0, seed=2)
    for draw in (drawn_by_mlx, drawn_by_llama_cpp):
        drawn = draw(params, logits, {}, Multiples())
        shares = np.array([drawn[token_id] / DRAWS for token_id in range(SIZE)])
        assert np.abs(shares - expected).max() < 0.05


@pytest.mark.parametrize(
    "penalty",
    [
        {"repetition_penalty": 1.8},
        {"repetition_penalty": 0.7},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 0.4},
        {"repetition_penalty": 1.2, "presence_penalty": -0.5, "frequency_penalty": 0.3},
    ],
    ids=str,
)
def test_penalties_look_at_the_same_window_and_weigh_the_same(penalty: dict[str, float]) -> None:
    params = SamplingParams(temperature=0.0, **penalty)  # type: ignore[arg-type]
    changed = 0
    for seed in range(40):
        logits = logits_of(seed)
        length = int(np.random.default_rng(seed).integers(1, 130))
        history = np.random.default_rng(seed + 1000).integers(0, SIZE // 2, length).tolist()
        chain = SamplerChain(params, SIZE, history, BIAS)
        llama_cpp = chain.draw_from(logits)
        chain.close()
        rows = mx.array(logits)[None]
        mlx: Any = Sampler(params, BIAS).sample(rows, 0, mx.array(history)).tolist()
        assert mlx == [llama_cpp]
        free: Any = Sampler(SamplingParams(temperature=0.0), BIAS).sample(rows, 0, None).tolist()
        changed += free != mlx
    assert changed > 3
