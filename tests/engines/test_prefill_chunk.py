from __future__ import annotations

import pytest

from engines.prefill_chunk import CHUNK_S, ChunkLength

MOST_TOKENS = 512


@pytest.mark.parametrize("tokens_per_s", [5, 60, 300, 900, 50_000])
def test_chunks_grow_or_shrink_to_about_their_time(tokens_per_s: int) -> None:
    length = ChunkLength(MOST_TOKENS)
    for _ in range(5):
        length.record(length.tokens, length.tokens / tokens_per_s)
    fitting = CHUNK_S * tokens_per_s
    wanted = min(max(fitting, 32), MOST_TOKENS)
    assert length.tokens in (32, 64, 128, 256, 512)
    assert wanted / 2 < length.tokens <= wanted


def test_a_short_rest_of_a_prompt_tells_nothing() -> None:
    length = ChunkLength(MOST_TOKENS)
    before = length.tokens
    length.record(3, 1.0)
    assert length.tokens == before


def test_a_new_limit_holds_at_once_and_is_grown_into() -> None:
    length = ChunkLength(64)
    assert length.tokens == 64
    length.limit(2048)
    assert length.tokens == 64
    length.record(64, 0.001)
    assert length.tokens == 256
    length.limit(96)
    assert length.tokens == 96
