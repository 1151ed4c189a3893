"""Asks a model through the app's own llama.cpp engine, greedily."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from engines.events import FinishReason, GenerationFinished, TextChunk
from engines.registry import create_engine
from engines.types import GenerationRequest, LoadRequest, PromptSegment, SamplingParams

ENGINE = "llama.cpp"
GREEDY = SamplingParams(temperature=0.0)


class Answer(NamedTuple):
    """An answer, its tokens without an end token, and whether the model ended it itself."""

    text: str
    token_ids: tuple[int, ...]
    prompt_ids: tuple[int, ...]
    ended: bool


class Model:
    """A loaded GGUF file; a context manager."""

    def __init__(self, path: Path, context_window_tokens: int = 4096) -> None:
        self._engine = create_engine(ENGINE)
        request = LoadRequest(ENGINE, str(path), context_window_tokens=context_window_tokens)
        self._engine.load(request, lambda _: None, lambda: False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._engine.close()

    def answer(self, prompt: PromptSegment, max_tokens: int = 400) -> Answer:
        """What the model writes after `prompt`, which is ChatML text or token ids."""
        request = GenerationRequest(
            (prompt,), cache_key="evaluation", sampling=GREEDY, max_tokens=max_tokens
        )
        text = ""
        for event in self._engine.generate(request, lambda: False):
            if isinstance(event, TextChunk):
                text += event.text
            elif isinstance(event, GenerationFinished):
                finished = event
        prompt_tokens = finished.stats.prompt_tokens
        ids = tuple(finished.token_ids)
        ended = finished.reason is FinishReason.STOP
        return Answer(text, ids[prompt_tokens:], ids[:prompt_tokens], ended)
