"""A place to hold conversations in tests: a store, a pool, and engines that note what they get."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from conversation.session import Session
from conversation.store import Store
from engines.base import Cancelled, Engine
from engines.errors import EngineError
from engines.events import GenerationEvent, GenerationFinished, LoadProgress
from engines.pool import EnginePool
from engines.scripted import Gate, ScriptedEngine
from engines.types import GenerationRequest, LoadRequest, ModelInfo
from profiles.schema import Profile

CHAT = Profile(name="chat", model="small", engine="scripted", system_prompt="Be kind.")
CODING = Profile(name="coding", model="large", engine="scripted", system_prompt="Write code.")


class NotingEngine(ScriptedEngine):
    """The scripted engine with a vocabulary of its own and a memory of its requests."""

    def __init__(
        self, answers: Sequence[str], gate: Gate | None = None, template: str | None = None
    ) -> None:
        super().__init__(answers, gate)
        self.requests: list[GenerationRequest] = []
        self.finished: list[GenerationFinished] = []
        self.refusals: list[EngineError] = []
        self.before_load: Callable[[], object] = lambda: None
        self._template = template

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        self.before_load()
        info = super().load(request, report, cancelled)
        template = info.chat_template if self._template is None else self._template
        return replace(info, chat_template=template, tokenizer_fingerprint=request.model + template)

    def generate(
        self, request: GenerationRequest, cancelled: Cancelled
    ) -> Iterator[GenerationEvent]:
        self.requests.append(request)
        if self.refusals:
            raise self.refusals.pop()
        for event in super().generate(request, cancelled):
            if isinstance(event, GenerationFinished):
                self.finished.append(event)
            yield event


class Desk:
    """Opens sessions; `engines` has the engine of each model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self.engines: dict[str, NotingEngine] = {}
        self.pool = EnginePool(10**9, self._create)

    def add_engine(
        self,
        *answers: str,
        model: str = "small",
        gate: Gate | None = None,
        template: str | None = None,
    ) -> NotingEngine:
        engine = self.engines[model] = NotingEngine(answers or ("Yes.",), gate, template)
        return engine

    def session(self, profile: Profile = CHAT, conversation_id: str | None = None) -> Session:
        return Session(self.store, self.pool, profile, conversation_id)

    def restart(self) -> None:
        """End the program and start it again; the engines are the same, so their tokens are."""
        self.close()
        self.store = Store(self.path)
        self.pool = EnginePool(10**9, self._create)

    def close(self) -> None:
        assert self.pool.close(10)
        assert self.store.close(10)

    def _create(self, request: LoadRequest) -> Engine:
        if request.model not in self.engines:
            self.add_engine(model=request.model)
        return self.engines[request.model]
