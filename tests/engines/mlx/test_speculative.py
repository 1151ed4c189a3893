"""Drafts change the number of passes and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import pytest

from engines.mlx.cache_store import TurnCaches
from engines.mlx.decoding import Decoder, Token, prefill
from engines.mlx.kv_cache import KVCache, create_kv_cache
from engines.mlx.loaded_model import LoadedModel
from engines.mlx.sampling import Sampler
from engines.mlx.speculative import Drafter, SpeculativeDecoder
from engines.speculative.depth import DraftDepth
from engines.types import SamplingParams

pytestmark = pytest.mark.model

PROMPT = "<|im_start|>user\nWrite a function that counts words.<|im_end|>\n<|im_start|>assistant\n"
TOKENS = 32
SAMPLINGS = [
    SamplingParams(temperature=0),
    SamplingParams(temperature=1.0, seed=5),
    SamplingParams(temperature=0.8, top_k=20, top_p=0.9, min_p=0.02, seed=9),
    SamplingParams(temperature=0, repetition_penalty=1.3, frequency_penalty=0.2),
]


class Depths(DraftDepth):
    """Asks for the given depths, over and over."""

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self._wanted = list(depths)
        self.recorded: list[tuple[int, int]] = []
        self.plain_steps = 0

    def next_depth(self) -> int:
        return self._wanted[(len(self.recorded) + self.plain_steps) % len(self._wanted)]

    def record(self, drafted: int, accepted: int, draft_s: float, verify_s: float) -> None:
        assert draft_s > 0
        assert verify_s > 0
        self.recorded.append((drafted, accepted))

    def record_plain(self, step_s: float) -> None:
        assert step_s > 0
        self.plain_steps += 1


class WrongDrafter(Drafter):
    """Spoils every third draft in the middle."""

    drafts = 0

    def draft(self, sequence_ids: Sequence[int], depth: int) -> list[int]:
        drafted = super().draft(sequence_ids, depth)
        self.drafts += 1
        if self.drafts % 3 == 0:
            drafted[depth // 2] = 11
        return drafted


def prompt_ids(model: LoadedModel) -> list[int]:
    return model.tokenizer.encode(PROMPT)


def prefilled(model: LoadedModel) -> KVCache:
    cache = create_kv_cache(model.network)
    for _ in prefill(model.network, cache, prompt_ids(model)[:-1], 64):
        pass
    return cache


def plain(model: LoadedModel, sampling: SamplingParams) -> list[int]:
    decoder = Decoder(model.network, prefilled(model), Sampler(sampling))
    return [token.id for token in islice(decoder.run(prompt_ids(model)[-1]), TOKENS)]


@pytest.fixture
def speculative(
    demo_target: LoadedModel, demo_draft: LoadedModel
) -> Callable[..., SpeculativeDecoder]:
    def create(
        sampling: SamplingParams,
        depth: DraftDepth,
        kind: type[Drafter] = Drafter,
        max_tokens: int = TOKENS,
    ) -> SpeculativeDecoder:
        drafter = kind(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 64)
        cache = prefilled(demo_target)
        sampler = Sampler(sampling)
        return SpeculativeDecoder(demo_target.network, cache, sampler, drafter, depth, max_tokens)

    return create


def take(tokens: Iterator[Token], count: int = TOKENS) -> list[Token]:
    return list(islice(tokens, count))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("depths", [[4], [1, 0, 0, 5, 2, 0]])
@pytest.mark.parametrize("kind", [Drafter, WrongDrafter])
def test_the_text_is_that_of_plain_decode(
    sampling: SamplingParams,
    depths: list[int],
    kind: type[Drafter],
    demo_target: LoadedModel,
    speculative: Callable[..., SpeculativeDecoder],
) -> None:
    depth = Depths(depths)
    decoder = speculative(sampling, depth, kind)
    tokens = take(decoder.run(prompt_ids(demo_target)[-1]))
    assert [token.id for token in tokens] == plain(demo_target, sampling)
    assert decoder.drafted_tokens == sum(drafted for drafted, _ in depth.recorded) > 0
    assert any(token.drafted for token in tokens)
    if 0 in depths:
        assert depth.plain_steps


@pytest.mark.parametrize("taken", [1, 2, 7, 16, 23])
def test_the_cache_holds_a_prefix_wherever_the_caller_stops(
    taken: int, demo_target: LoadedModel, speculative: Callable[..., SpeculativeDecoder]
) -> None:
    ids = prompt_ids(demo_target)
    decoder = speculative(SAMPLINGS[0], Depths([3, 0, 5, 0, 0]), WrongDrafter)
    sequence = [*ids, *(token.id for token in take(decoder.run(ids[-1]), taken))]
    caches = TurnCaches(decoder.cache)
    caches.settle(sequence)
    held = len(caches.target.token_ids)
    assert caches.target.token_ids == sequence[:held]
    assert held >= len(sequence) - 1
    assert {layer.offset for layer in caches.target.layers} == {held}


def test_no_more_is_drafted_than_may_be_taken(
    demo_target: LoadedModel, speculative: Callable[..., SpeculativeDecoder]
) -> None:
    depth = Depths([8])
    decoder = speculative(SAMPLINGS[0], depth, max_tokens=4)
    take(decoder.run(prompt_ids(demo_target)[-1]), 4)
    assert depth.recorded[0][0] <= 2
    assert decoder.drafted_tokens <= 3


def test_the_drafter_catches_up_after_plain_steps(
    demo_target: LoadedModel, demo_draft: LoadedModel
) -> None:
    ids = demo_target.tokenizer.encode("def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n")
    late = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 4)
    early = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 64)
    early.draft(ids[:5], 2)
    early.keep(5)
    assert late.draft(ids, 4) == early.draft(ids, 4)


def test_ids_that_the_target_lacks_are_never_drafted(demo_draft: LoadedModel) -> None:
    drafter = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 50, 64)
    assert all(token_id < 50 for token_id in drafter.draft([300, 301, 302], 6))
