"""Drafts change the number of passes and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import pytest

from engines.mlx.cache_store import TurnCaches
from engines.mlx.decoding import Decoder, Token, feed_chunk
from engines.mlx.kv_cache import KVCache, create_kv_cache
from engines.mlx.loaded_model import LoadedModel
from engines.mlx.sampling import Sampler
from engines.mlx.speculative import Drafter, SpeculativeDecoder
from engines.speculative.drafters import PROMPT_LOOKUP
from engines.speculative.turn import DraftPlan, Speculation
from engines.types import SamplingParams
from tests.engines.speculative.forced import ForcedRecord

pytestmark = pytest.mark.model

PROMPT = "<|im_start|>user\nWrite a function that counts words.<|im_end|>\n<|im_start|>assistant\n"
COPYING = PROMPT + "```python\ndef count_words(text):\n    return len(text.split())\n```\n" * 2
TOKENS = 32
SAMPLINGS = [
    SamplingParams(temperature=0),
    SamplingParams(temperature=1.0, seed=5),
    SamplingParams(temperature=0.8, top_k=20, top_p=0.9, min_p=0.02, seed=9),
    SamplingParams(temperature=0, repetition_penalty=1.3, frequency_penalty=0.2),
]


class WrongDrafter(Drafter):
    """Spoils every third draft in the middle."""

    drafts = 0

    def propose(self, sequence_ids: Sequence[int], depth: int, read_tokens: int) -> list[int]:
        drafted = super().propose(sequence_ids, depth, read_tokens)
        self.drafts += 1
        if self.drafts % 3 == 0:
            drafted[depth // 2] = 11
        return drafted


class NowAndThen(Speculation):
    """Drafts nothing in every other two steps."""

    steps = 0

    def plan(self, room_tokens: int, ahead: bool = False) -> DraftPlan | None:
        self.steps += 1
        return super().plan(room_tokens, ahead) if self.steps % 4 < 2 else None


def prompt_ids(model: LoadedModel) -> list[int]:
    return model.tokenizer.encode(PROMPT)


def prefilled(model: LoadedModel, prompt: str = PROMPT) -> KVCache:
    cache = create_kv_cache(model.network)
    feed_chunk(model.network, cache, model.tokenizer.encode(prompt)[:-1])
    return cache


def plain(model: LoadedModel, sampling: SamplingParams, prompt: str = PROMPT) -> list[int]:
    decoder = Decoder(model.network, prefilled(model, prompt), Sampler(sampling))
    last_id = model.tokenizer.encode(prompt)[-1]
    return [token.id for token in islice(decoder.run(last_id), TOKENS)]


Create = Callable[..., SpeculativeDecoder]


@pytest.fixture
def speculative(demo_target: LoadedModel, demo_draft: LoadedModel) -> Create:
    def create(
        sampling: SamplingParams,
        depth: int,
        drafter: type[Drafter] | None = Drafter,
        kind: type[Speculation] = Speculation,
        max_tokens: int = TOKENS,
        prompt: str = PROMPT,
    ) -> SpeculativeDecoder:
        ids = demo_target.tokenizer.encode(prompt)
        model = None
        if drafter is not None:
            model = drafter(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 64)
        return SpeculativeDecoder(
            demo_target.network,
            prefilled(demo_target, prompt),
            Sampler(sampling),
            kind(ForcedRecord(depth), ids, None, model),
            max_tokens,
            model,
        )

    return create


def take(tokens: Iterator[Token], count: int = TOKENS) -> list[Token]:
    return list(islice(tokens, count))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("depth", [1, 5])
@pytest.mark.parametrize("drafter", [Drafter, WrongDrafter])
@pytest.mark.parametrize("kind", [Speculation, NowAndThen])
def test_the_text_is_that_of_plain_decode(
    sampling: SamplingParams,
    depth: int,
    drafter: type[Drafter],
    kind: type[Speculation],
    demo_target: LoadedModel,
    speculative: Create,
) -> None:
    decoder = speculative(sampling, depth, drafter, kind)
    tokens = take(decoder.run(prompt_ids(demo_target)[-1]))
    assert [token.id for token in tokens] == plain(demo_target, sampling)
    counted = sum(count.drafted_tokens for count in decoder.speculation.counts)
    assert decoder.drafted_tokens == counted > 0
    assert any(token.drafted for token in tokens)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("depth", [1, 3, 7])
def test_lookups_give_the_text_of_plain_decode_too(
    sampling: SamplingParams, depth: int, demo_target: LoadedModel, speculative: Create
) -> None:
    decoder = speculative(sampling, depth, None, prompt=COPYING)
    ids = demo_target.tokenizer.encode(COPYING)
    tokens = take(decoder.run(ids[-1]))
    assert [token.id for token in tokens] == plain(demo_target, sampling, COPYING)
    [count] = decoder.speculation.counts
    assert count.drafter == PROMPT_LOOKUP
    assert count.drafted_tokens > 0


@pytest.mark.parametrize("taken", [1, 2, 7, 16, 23])
@pytest.mark.parametrize(("prompt", "drafter"), [(PROMPT, WrongDrafter), (COPYING, None)])
def test_the_cache_holds_a_prefix_wherever_the_caller_stops(
    taken: int,
    prompt: str,
    drafter: type[Drafter] | None,
    demo_target: LoadedModel,
    speculative: Create,
) -> None:
    ids = demo_target.tokenizer.encode(prompt)
    decoder = speculative(SAMPLINGS[0], 3, drafter, NowAndThen, prompt=prompt)
    sequence = [*ids, *(token.id for token in take(decoder.run(ids[-1]), taken))]
    caches = TurnCaches(decoder.cache)
    caches.settle(sequence)
    held = len(caches.target.token_ids)
    assert caches.target.token_ids == sequence[:held]
    assert held >= len(sequence) - 1
    assert {layer.offset for layer in caches.target.layers} == {held}


@pytest.mark.parametrize("drafter", [Drafter, None])
def test_no_more_is_drafted_than_may_be_taken(
    drafter: type[Drafter] | None, demo_target: LoadedModel, speculative: Create
) -> None:
    for limit in (1, 2, 3, 6):
        decoder = speculative(SAMPLINGS[0], 1, drafter, max_tokens=limit, prompt=COPYING)
        take(decoder.run(demo_target.tokenizer.encode(COPYING)[-1]), limit)
        assert decoder.drafted_tokens <= limit - 1


def test_the_drafter_catches_up_after_plain_steps(
    demo_target: LoadedModel, demo_draft: LoadedModel
) -> None:
    ids = demo_target.tokenizer.encode("def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n")
    late = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 4)
    early = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 64)
    early.propose(ids[:5], 2, 5)
    assert early.unread_tokens(ids) == len(ids) - 5
    assert late.propose(ids, 4, len(ids)) == early.propose(ids, 4, len(ids))


def test_a_drafter_that_may_read_little_goes_by_the_end(
    demo_target: LoadedModel, demo_draft: LoadedModel
) -> None:
    ids = demo_target.tokenizer.encode(PROMPT)
    limited = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 64)
    whole = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 8192, 64)
    drafted = limited.propose(ids, 3, 6)
    assert drafted == whole.propose(ids[-6:], 3, 6)
    assert limited.unread_tokens([*ids, drafted[0], 11]) == 1


def test_ids_that_either_model_lacks_are_never_fed(demo_draft: LoadedModel) -> None:
    drafter = Drafter(demo_draft.network, create_kv_cache(demo_draft.network), 50, 64)
    assert all(token_id < 50 for token_id in drafter.propose([30, 31, 32], 6, 3))
    assert drafter.propose([30, 31, 32, 8000, 40], 6, 9) == []
    assert drafter.propose([30, 31, 32, 33, 8000], 6, 9) == []
