"""Drafts change how fast an answer comes and never how likely it is, on both engines."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from engines.base import Engine
from engines.events import GenerationFinished
from engines.registry import create_engine
from engines.speculative.drafters import DRAFT_MODEL, FILE_LOOKUP, PROMPT_LOOKUP
from engines.types import GenerationRequest, LoadRequest, SamplingParams
from tests.engines.mlx.tiny_gguf import TinyGguf
from tests.engines.speculative.forced import ForcedRecord

pytestmark = pytest.mark.model

RUNS = 400
TOKENS = 4
LETTERS = "CDE"
EVERY_TRIPLE = "CCCDCCECDDCDECEDCEEDDDEDEEECC"
BIAS = tuple((letter, 60.0) for letter in LETTERS)
AMONG_LETTERS = SamplingParams(temperature=3.0, logit_bias=BIAS)
REQUESTS = {
    PROMPT_LOOKUP: GenerationRequest(("AB" + EVERY_TRIPLE,), "chat", AMONG_LETTERS),
    FILE_LOOKUP: GenerationRequest(
        ("ABDE",), "chat", AMONG_LETTERS, references=("XY", EVERY_TRIPLE)
    ),
    DRAFT_MODEL: GenerationRequest(("ABDE",), "chat", SamplingParams(temperature=1.0, top_k=3)),
}
CASES = [
    (PROMPT_LOOKUP, {}),
    (PROMPT_LOOKUP, {"repetition_penalty": 1.2, "frequency_penalty": 0.4}),
    (FILE_LOOKUP, {}),
    (DRAFT_MODEL, {}),
]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random model of 96 tokens."""
    return str(TinyGguf("qwen3").write(tmp_path_factory.mktemp("model") / "tiny.gguf"))


def open_engine(name: str, model: str, draft_model: str | None) -> Engine:
    engine: Any = create_engine(name)
    load = LoadRequest(name, model, draft_model=draft_model)
    assert engine.load(load, lambda report: None, lambda: False).draft_refused == ""
    if name == "mlx":
        engine._speculation = ForcedRecord(1)
    else:
        engine.loaded.speculation = ForcedRecord(1)
    return engine  # type: ignore[no-any-return]


def outcomes(
    engine: Engine, request: GenerationRequest, first_seed: int, drafter: str
) -> tuple[Counter[tuple[int, ...]], int, int]:
    """How often each answer came, and tokens drafted and accepted by `drafter`."""
    counts: Counter[tuple[int, ...]] = Counter()
    drafted = accepted = 0
    for seed in range(first_seed, first_seed + RUNS):
        sampling = replace(request.sampling, seed=seed)
        *_, last = engine.generate(
            replace(request, sampling=sampling, max_tokens=TOKENS), lambda: False
        )
        assert isinstance(last, GenerationFinished)
        counts[last.token_ids[last.stats.prompt_tokens :]] += 1
        for count in last.stats.draft_counts:
            if count.drafter == drafter:
                drafted += count.drafted_tokens
                accepted += count.accepted_tokens
    return counts, drafted, accepted


def chi_square(first: Counter[Any], second: Counter[Any]) -> tuple[float, int]:
    """Two samples of equal size: statistic and degrees of freedom; rare outcomes taken together."""
    common = [each for each in first.keys() | second.keys() if first[each] + second[each] >= 16]
    cells = [(first[each], second[each]) for each in common]
    rest = (first.total() - sum(a for a, _ in cells), second.total() - sum(b for _, b in cells))
    cells += [rest] if sum(rest) else []
    return sum((a - b) ** 2 / (a + b) for a, b in cells), len(cells) - 1


@pytest.mark.parametrize("name", ["mlx", "llama.cpp"])
@pytest.mark.parametrize(("drafter", "penalties"), CASES)
def test_the_distribution_is_the_target_model_s(
    name: str, drafter: str, penalties: dict[str, float], tiny_model: str
) -> None:
    engine = open_engine(name, tiny_model, tiny_model if drafter == DRAFT_MODEL else None)
    request = REQUESTS[drafter]
    request = replace(request, sampling=replace(request.sampling, **penalties))  # type: ignore[arg-type]
    try:
        drafting, drafted, accepted = outcomes(engine, request, 0, drafter)
        plainly = replace(request, use_draft=False)
        plain, none, _ = outcomes(engine, plainly, 10 * RUNS, drafter)
    finally:
        engine.close()
    assert none == 0
    assert 0 < accepted < drafted
    statistic, freedom = chi_square(drafting, plain)
    assert freedom >= 5
    assert statistic < freedom + 4 * math.sqrt(2 * freedom)
