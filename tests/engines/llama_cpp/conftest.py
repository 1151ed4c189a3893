"""A loaded demonstration pair, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engines.llama_cpp.engine import LlamaCppEngine
from tests.engines.llama_cpp.pair import DemoPair, load


@pytest.fixture(scope="session")
def shared_pair() -> Iterator[DemoPair]:
    pair = load(draft_model="demo:draft")
    yield pair
    pair.engine.close()


@pytest.fixture
def pair(shared_pair: DemoPair) -> DemoPair:
    """Target and draft without a KV cache of an earlier test."""
    for key in ("chat", "other", "third"):
        shared_pair.engine.forget(key)
    return shared_pair


@pytest.fixture
def engine() -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine()
    yield engine
    engine.close()
