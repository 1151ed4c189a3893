from __future__ import annotations

import pytest

from engines.events import PrefillProgress, TextChunk
from tests.engines.llama_cpp.pair import DemoPair


@pytest.mark.model
def test_the_text_does_not_depend_on_the_chunks(pair: DemoPair) -> None:
    request = pair.request("x = [i for i in range(10)]\n" * 60, max_tokens=24, use_draft=False)
    texts = set()
    for tokens in (32, 96, 512):
        pair.engine.forget("chat")
        pair.engine._chunk_length.tokens = tokens
        events = list(pair.engine.generate(request, lambda: False))
        chunks = [event.done_tokens for event in events if isinstance(event, PrefillProgress)]
        assert chunks == sorted(set(chunks))
        assert chunks[1] == tokens
        texts.add("".join(event.text for event in events if isinstance(event, TextChunk)))
    assert len(texts) == 1


@pytest.mark.model
def test_cancelling_between_chunks_keeps_what_was_read(pair: DemoPair) -> None:
    pair.engine._chunk_length.tokens = 32
    request = pair.request("word " * 400, max_tokens=4)
    done: list[int] = []
    for event in pair.engine.generate(request, lambda: len(done) > 2):
        if isinstance(event, PrefillProgress):
            done.append(event.done_tokens)
    assert done[-1] < 400
    again = pair.answer(request).finished.stats
    assert again.cached_tokens == done[-1]
