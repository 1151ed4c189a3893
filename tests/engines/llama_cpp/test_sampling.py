from __future__ import annotations

import pytest

from engines.errors import GenerationError
from engines.llama_cpp.sampling import SamplerChain
from engines.types import SamplingParams
from tests.engines.llama_cpp.pair import DemoPair

pytestmark = pytest.mark.model

QUESTION = "Write a Python function that adds two numbers."


def test_top_k_of_one_is_greedy_whatever_the_temperature(pair: DemoPair) -> None:
    greedy = pair.answer(pair.request(QUESTION))
    narrow = SamplingParams(temperature=3.0, top_k=1)
    assert pair.answer(pair.request(QUESTION, sampling=narrow)).text == greedy.text


def test_a_tiny_top_p_or_a_full_min_p_is_greedy_too(pair: DemoPair) -> None:
    greedy = pair.answer(pair.request(QUESTION))
    for sampling in (
        SamplingParams(temperature=1.5, top_p=1e-6),
        SamplingParams(temperature=1.5, min_p=1.0),
    ):
        assert pair.answer(pair.request(QUESTION, sampling=sampling)).text == greedy.text


def test_seeds_differ_and_large_ones_are_taken(pair: DemoPair) -> None:
    texts = {
        pair.answer(
            pair.request(QUESTION, sampling=SamplingParams(temperature=1.5, seed=seed))
        ).text
        for seed in (1, 2, 2**32 - 1, 2**70, -4)
    }
    assert len(texts) > 2


def test_a_repetition_penalty_counts_the_prompt(pair: DemoPair) -> None:
    repeating = "a b c a b c a b c a b c a b c a b c"
    request = pair.request("", prompt=(repeating,), max_tokens=6)
    punished = SamplingParams(temperature=0.0, repetition_penalty=5.0)
    plain = pair.answer(request)
    pair.engine.forget("chat")
    other = pair.answer(pair.request("", prompt=(repeating,), max_tokens=6, sampling=punished))
    assert plain.text != other.text


def test_a_row_without_logits_is_never_sampled(pair: DemoPair) -> None:
    pair.answer(pair.request(QUESTION, max_tokens=2))
    chain = SamplerChain(SamplingParams(temperature=0.0), 8192)
    context = pair.cache.context
    context.clear()
    for row in (-1, 0, 9):
        with pytest.raises(GenerationError):
            context.sample(chain, row)
    chain.close()
    pair.engine.forget("chat")
