"""What every engine does around prefill and decode: time it, cut it into text, sum it up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

from engines.events import (
    FinishReason,
    GenerationEvent,
    GenerationFinished,
    PrefillProgress,
    TextChunk,
    TextKind,
)
from engines.kv.reuse import CacheReuse
from engines.speculative.content import ContentTracker
from engines.stats import DraftCount, GenerationStats
from engines.text_stream import TextStream
from engines.types import GenerationRequest, ModelInfo, ToolCall

TEXT_EVERY_S = 0.01
"""Tokens that come faster are handed on together: no eye can tell, and each costs less."""


class GenerationRun:
    """The account of one generation. An engine drives it:

        run = GenerationRun(request, info, prompt_token_counts)
        run.start_prefill(token_ids, cached_tokens)     # then: yield run.prefill_progress(done)
        yield from run.add_token(token_id, piece)       # until run.stopped or the limit
        yield from run.finish(reason)

    Args:
        request: What was asked for.
        info: The loaded model.
        prompt_token_counts: Tokens of each prompt segment.
        text_every_s: Text is handed on once in this time at most, unless it may end the answer.

    Attributes:
        token_ids: Prompt and answer so far.
        cached_end: How many of `token_ids` the KV cache holds; kept by the engine.
        drafted_tokens, accepted_tokens, peak_memory_bytes, cache_reuse, draft_counts,
            plain_decode_tps, memory_note: Kept by the engine.
    """

    def __init__(
        self,
        request: GenerationRequest,
        info: ModelInfo,
        prompt_token_counts: Sequence[int],
        text_every_s: float = 0.0,
    ) -> None:
        self.started_s = time.perf_counter()
        self.token_ids: list[int] = []
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.cached_end = 0
        self.generated_tokens = 0
        self.drafted_tokens = 0
        self.accepted_tokens = 0
        self.peak_memory_bytes: int | None = None
        self.cache_reuse: CacheReuse | None = None
        self.memory_note = ""
        self.draft_counts: tuple[DraftCount, ...] = ()
        self.plain_decode_tps: float | None = None
        self.content = ContentTracker(request.starts_in_reasoning)
        self._info = info
        self._prompt_token_counts = tuple(prompt_token_counts)
        self._prefill_started_s = self.started_s
        self._prefill_s = 0.0
        self._first_token_s: float | None = None
        self._last_token_s: float | None = None
        self._uncounted = 0
        self._uncounted_drafted = 0
        self._pieces: list[bytes] = []
        self._text_every_s = 0.0 if request.stop else text_every_s
        self._next_text_s = 0.0
        self._text = TextStream(
            request.stop,
            request.reasoning_tags,
            request.tool_call_tags,
            request.starts_in_reasoning,
        )

    @property
    def stopped(self) -> bool:
        """True once a stop text came out."""
        return self._text.stopped

    def start_prefill(self, prompt_ids: Sequence[int], cached_tokens: int) -> PrefillProgress:
        """The prompt is tokenized and its cached part known."""
        self.token_ids = list(prompt_ids)
        self.prompt_tokens = len(self.token_ids)
        self.cached_tokens = cached_tokens
        self._prefill_started_s = time.perf_counter()
        return self.prefill_progress(cached_tokens)

    def prefill_progress(self, done_tokens: int) -> PrefillProgress:
        self._prefill_s = time.perf_counter() - self._prefill_started_s
        return PrefillProgress(done_tokens, self.prompt_tokens, self.cached_tokens, self._prefill_s)

    def add_token(self, token_id: int, piece: bytes, drafted: bool = False) -> list[TextChunk]:
        """Take one generated token; returns the text that is now certain and due."""
        now_s = time.perf_counter()
        if self._first_token_s is None:
            self._first_token_s = now_s
        self._last_token_s = now_s
        self.token_ids.append(token_id)
        self.generated_tokens += 1
        self._uncounted_drafted += drafted
        self._pieces.append(piece)
        if now_s < self._next_text_s:
            return []
        self._next_text_s = now_s + self._text_every_s
        return self._take_pieces()

    def finish(self, reason: FinishReason) -> Iterator[GenerationEvent]:
        """Close the text and report; yields a last `TextChunk` where text was held back."""
        yield from self._take_pieces()
        for segment in self._text.flush():
            yield self._chunk(segment.text, segment.kind)
        yield GenerationFinished(
            reason,
            self.stats(),
            tuple(self.token_ids),
            self._prompt_token_counts,
            tuple(parse_tool_calls(self._text.tool_call_texts)),
        )

    def stats(self) -> GenerationStats:
        first, last = self._first_token_s, self._last_token_s
        return GenerationStats(
            engine=self._info.engine,
            model=self._info.name,
            quantization=self._info.quantization,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            generated_tokens=self.generated_tokens,
            ttft_s=None if first is None else first - self.started_s,
            prefill_s=self._prefill_s,
            decode_s=0.0 if first is None or last is None else last - first,
            kv_cache_bytes=self._info.kv_cache_bytes(len(self.token_ids)),
            kv_type=self._info.kv_type,
            peak_memory_bytes=self.peak_memory_bytes,
            drafted_tokens=self.drafted_tokens,
            accepted_tokens=self.accepted_tokens,
            cache_reuse=self.cache_reuse,
            memory_note=self.memory_note,
            draft_counts=self.draft_counts,
            plain_decode_tps=self.plain_decode_tps,
        )

    def _take_pieces(self) -> list[TextChunk]:
        self._uncounted += len(self._pieces)
        encoded = b"".join(self._pieces)
        self._pieces.clear()
        return [self._chunk(text, kind) for text, kind in self._text.feed(encoded)]

    def _chunk(self, text: str, kind: TextKind) -> TextChunk:
        self.content.follow(text, kind)
        chunk = TextChunk(text, kind, self._uncounted, self._uncounted_drafted)
        self._uncounted = self._uncounted_drafted = 0
        return chunk


def parse_tool_calls(texts: Sequence[str]) -> Iterator[ToolCall]:
    """The well-formed calls among `texts`, each a JSON object with a name and arguments."""
    for index, text in enumerate(texts):
        try:
            call = json.loads(text)
        except ValueError:
            continue
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            continue
        arguments = call.get("arguments", {})
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        yield ToolCall(call["name"], arguments, f"call_{index}")
