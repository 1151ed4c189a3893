"""Runs the embedded pair and gathers what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engines.chat_template import ChatTemplate
from engines.events import GenerationEvent, GenerationFinished, TextChunk
from engines.llama_cpp.engine import LlamaCppEngine
from engines.llama_cpp.kv_cache import SequenceCache
from engines.llama_cpp.loading import LoadedModel
from engines.llama_cpp.speculative import Drafter
from engines.types import (
    ChatMessage,
    GenerationRequest,
    LoadRequest,
    ModelInfo,
    Role,
    SamplingParams,
)

GREEDY = SamplingParams(temperature=0.0)


@dataclass
class Answer:
    text: str
    finished: GenerationFinished


@dataclass
class DemoPair:
    engine: LlamaCppEngine
    info: ModelInfo

    @property
    def loaded(self) -> LoadedModel:
        assert self.engine._loaded is not None
        return self.engine._loaded

    @property
    def cache(self) -> SequenceCache:
        return self.loaded.cache

    @property
    def drafter(self) -> Drafter:
        assert isinstance(self.loaded.drafter, Drafter)
        return self.loaded.drafter

    def prompt(self, text: str) -> str:
        template = ChatTemplate(self.info.chat_template, self.info.bos_token, self.info.eos_token)
        return template.render([ChatMessage(Role.USER, text)], reasoning=False)

    def request(self, text: str, **changes: object) -> GenerationRequest:
        request = GenerationRequest((self.prompt(text),), "chat", GREEDY, max_tokens=80)
        return replace(request, **changes)  # type: ignore[arg-type]

    def answer(
        self, request: GenerationRequest, cancelled: Callable[[], bool] = lambda: False
    ) -> Answer:
        events: list[GenerationEvent] = list(self.engine.generate(request, cancelled))
        finished = events[-1]
        assert isinstance(finished, GenerationFinished)
        return Answer("".join(e.text for e in events if isinstance(e, TextChunk)), finished)


def load(**changes: object) -> DemoPair:
    engine = LlamaCppEngine()
    request = replace(LoadRequest("llama.cpp", "demo:target"), **changes)  # type: ignore[arg-type]
    return DemoPair(engine, engine.load(request, lambda report: None, lambda: False))
