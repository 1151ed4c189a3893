"""Drafts together with all that decides on a token: the text is the one without drafts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engines.base import Engine
from engines.chat_template import ChatTemplate
from engines.events import FinishReason, GenerationFinished, TextChunk
from engines.registry import create_engine
from engines.types import (
    ChatMessage,
    Constraint,
    ConstraintKind,
    GenerationRequest,
    LoadRequest,
    ModelInfo,
    Role,
    SamplingParams,
)
from tests.engines.speculative.forced import ForcedRecord, spoiled
from tests.engines.test_constraints import PERSON, WORDS

pytestmark = pytest.mark.model

GREEDY = SamplingParams(temperature=0.0)
SAMPLINGS = {
    "greedy": GREEDY,
    "repetition": SamplingParams(temperature=0.0, repetition_penalty=1.3),
    "presence and frequency": SamplingParams(
        temperature=0.0, presence_penalty=0.6, frequency_penalty=0.4
    ),
    "bias": SamplingParams(temperature=0.0, logit_bias=((" return", 3.0), (" the", -4.0))),
    "seed": SamplingParams(temperature=0.9, top_k=30, min_p=0.02, seed=6),
    "all": SamplingParams(
        temperature=0.8, top_p=0.9, repetition_penalty=1.1, frequency_penalty=0.2, seed=4
    ),
}
CONSTRAINTS = {
    "schema": Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(PERSON)),
    "grammar": Constraint(ConstraintKind.GRAMMAR, WORDS),
}
TOKENS = 40


@dataclass
class Loaded:
    engine: Engine
    info: ModelInfo

    def request(self, text: str, **changes: Any) -> GenerationRequest:
        info = self.info
        template = ChatTemplate(info.chat_template, info.bos_token, info.eos_token)
        prompt = template.render([ChatMessage(Role.USER, text)], reasoning=False)
        request = GenerationRequest((prompt,), "chat", GREEDY, max_tokens=TOKENS)
        return replace(request, **changes)

    def answer(self, request: GenerationRequest) -> tuple[str, GenerationFinished]:
        self.engine.forget(request.cache_key)
        events = list(self.engine.generate(request, lambda: False))
        finished = events[-1]
        assert isinstance(finished, GenerationFinished)
        return "".join(event.text for event in events if isinstance(event, TextChunk)), finished

    def force(self, depth: int, plain: GenerationFinished) -> None:
        """Draft `depth` tokens at a time, from the answer with some tokens exchanged."""
        record = ForcedRecord(depth, spoiled(plain.token_ids[plain.stats.prompt_tokens - 3 :]))
        engine: Any = self.engine
        if hasattr(engine, "_speculation"):
            engine._speculation = record
        else:
            engine.loaded.speculation = record


@pytest.fixture(scope="module", params=["mlx", "llama.cpp"])
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    yield from load(request.param, "f16")


@pytest.fixture(scope="module", params=["mlx q8_0", "mlx q4_0", "llama.cpp q8_0", "llama.cpp q4_0"])
def quantized(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    yield from load(*request.param.split())


def load(engine_name: str, kv_type: str) -> Iterator[Loaded]:
    engine = create_engine(engine_name)
    request = LoadRequest(engine_name, "demo:target", draft_model="demo:draft", kv_type=kv_type)
    yield Loaded(engine, engine.load(request, lambda report: None, lambda: False))
    engine.close()


def check(loaded: Loaded, request: GenerationRequest, depth: int) -> GenerationFinished:
    """The text, the tokens and the reason are those of plain decode, and drafts were tried."""
    plain_text, plain = loaded.answer(replace(request, use_draft=False))
    loaded.force(depth, plain)
    text, drafted = loaded.answer(request)
    assert text == plain_text
    assert drafted.token_ids == plain.token_ids
    assert drafted.reason is plain.reason
    assert 0 < drafted.stats.accepted_tokens <= drafted.stats.drafted_tokens
    return drafted


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_sampling(loaded: Loaded, sampling: str) -> None:
    request = loaded.request("Write a function `add`.", sampling=SAMPLINGS[sampling])
    finished = check(loaded, request, 5)
    assert finished.stats.accepted_tokens < finished.stats.drafted_tokens


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("sampling", ["greedy", "all"])
def test_constraints(loaded: Loaded, sampling: str, constraint: str) -> None:
    request = loaded.request(
        "Describe a person as JSON.",
        sampling=SAMPLINGS[sampling],
        constraint=CONSTRAINTS[constraint],
    )
    check(loaded, request, 5)


@pytest.mark.parametrize("place", [4, 11, 18])
def test_stop_texts(loaded: Loaded, place: int) -> None:
    """Somewhere in the answer, which is within a drafted run or at its edge."""
    request = loaded.request("Write a function `add`.")
    text, _ = loaded.answer(replace(request, use_draft=False))
    words = text.split()
    stop = words[min(place, len(words) - 1)]
    finished = check(loaded, replace(request, stop=(stop,)), 3)
    assert finished.reason is FinishReason.STOP


@pytest.mark.parametrize("constraint", [None, "schema"])
@pytest.mark.parametrize("sampling", ["greedy", "all"])
def test_quantized_caches(quantized: Loaded, sampling: str, constraint: str | None) -> None:
    request = quantized.request(
        "Describe a person as JSON.",
        sampling=SAMPLINGS[sampling],
        constraint=CONSTRAINTS[constraint] if constraint else None,
    )
    check(quantized, request, 5)
