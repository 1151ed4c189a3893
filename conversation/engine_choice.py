"""Chooses the engine of each turn, for profiles that leave it open.

router = EngineRouter(pool, measurements)
engine = router.open(profile, path)                   loads what a usual question would take
engine, choice = router.choose(engine, profile, path)     `path` ends with the question
engine = router.other_than(engine)                    after its model failed to load, or None
router.pinned = "mlx"                                 the user's wish; "" takes the profile's
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from conversation.chat_turns import answer_text
from conversation.loading import ProfileEngine
from conversation.measurements import Measurements
from conversation.message import Message
from engines.errors import EngineError
from engines.pool import EnginePool
from engines.types import LoadRequest, Role
from profiles.resolve import load_request
from profiles.routing import (
    EngineChoice,
    EngineOption,
    choose_engine,
    expected_answer_tokens,
    routable_engines,
)
from profiles.schema import Profile

USUAL_QUESTION_TOKENS = 50
USUAL_LOAD_S = 3.0
"""For a model that was never loaded here."""

_BYTES_PER_TOKEN = 4
_TEMPLATE_TOKENS = 5
"""Around each message."""
_REFUSED_FOR_S = 300.0
_REFUSALS = {
    "NotEnoughMemory": "has not room for the model",
    "ModelNotFound": "has no such model here",
    "EngineUnavailable": "does not work here",
}


class EngineRouter:
    """Weighs the engines of a profile against each other.

    Args:
        pool: Knows what is loaded, and loads.
        measurements: Of earlier turns.
        has_gpu: Of this machine; None looks.
    """

    def __init__(
        self, pool: EnginePool, measurements: Measurements, has_gpu: bool | None = None
    ) -> None:
        self.pinned = ""
        self._has_gpu = has_gpu
        self._pool = pool
        self._measurements = measurements
        self._refused: dict[LoadRequest, tuple[str, float]] = {}

    def engines(self, profile: Profile) -> tuple[str, ...]:
        """Those that could answer for `profile`; more than one leaves a choice."""
        try:
            return routable_engines(profile)
        except EngineError:
            return ()

    def open(self, profile: Profile, path: Sequence[Message] = ()) -> ProfileEngine:
        """The engine that a question of usual length would be answered with; it starts loading."""
        choice = self._choice(profile, path, USUAL_QUESTION_TOKENS, "")
        return ProfileEngine(profile, self._pool, choice.engine if choice else None)

    def choose(
        self, current: ProfileEngine, profile: Profile, path: Sequence[Message]
    ) -> tuple[ProfileEngine, EngineChoice | None]:
        """The engine for the question that ends `path`; no choice where nothing is to be chosen.

        Args:
            current: The engine in use; it is given back where it stays.
        """
        self._note_failure(current)
        before = _answered_by(path, profile)
        choice = self._choice(profile, path, 0, before or current.engine)
        if choice is None:
            return current, None
        choice = replace(choice, is_change=choice.engine != before)
        if choice.engine == current.engine and current.failure is None:
            return current, choice
        return ProfileEngine(profile, self._pool, choice.engine), choice

    def other_than(
        self, failed: ProfileEngine, path: Sequence[Message] = ()
    ) -> tuple[ProfileEngine, EngineChoice] | None:
        """Another engine for the same profile, and the choice; None where there is none."""
        if failed.failure is None or self._pin(failed.profile):
            return None
        self._note_failure(failed)
        choice = self._choice(failed.profile, path, 0, failed.engine)
        if choice is None or choice.engine == failed.engine:
            return None
        return ProfileEngine(failed.profile, self._pool, choice.engine), choice

    def _finds_gpu(self) -> bool:
        if self._has_gpu is None:
            from engines.hardware_probes import GPU, find_gpu

            self._has_gpu = find_gpu() is not GPU.NONE
        return self._has_gpu

    def _note_failure(self, engine: ProfileEngine) -> None:
        if engine.failure is not None and engine.request is not None:
            why = _REFUSALS.get(engine.failure.kind, "cannot load the model")
            self._refused[engine.request] = (why, time.monotonic() + _REFUSED_FOR_S)

    def _pin(self, profile: Profile) -> str:
        own = "" if profile.engine == "auto" else profile.engine
        return self.pinned if self.pinned in self.engines(profile) else own

    def _choice(
        self, profile: Profile, path: Sequence[Message], more_tokens: int, current: str
    ) -> EngineChoice | None:
        """None where the profile decides by itself, or has one engine only."""
        engines = self.engines(profile)
        pin = self._pin(profile)
        if len(engines) < 2 or (pin and pin == profile.engine):
            return None
        answer_tokens = expected_answer_tokens(profile, self._measurements.answer_tokens(profile))
        options = [
            self._option(profile, engine, path, more_tokens, answer_tokens) for engine in engines
        ]
        return choose_engine(options, answer_tokens, current, pin, self._finds_gpu())

    def _option(
        self,
        profile: Profile,
        engine: str,
        path: Sequence[Message],
        more_tokens: int,
        answer_tokens: int,
    ) -> EngineOption:
        request = load_request(replace(profile, engine=engine))
        total, uncached = prompt_tokens(path, profile, engine)
        uncached += more_tokens
        context_tokens = total + more_tokens + answer_tokens
        speed = self._measurements.speed(request, context_tokens, uncached)
        load_s = 0.0
        if not self._pool.has(request):
            load_s = self._measurements.load_s(request) or USUAL_LOAD_S
        refused, until_s = self._refused.get(request, ("", 0.0))
        return EngineOption(
            engine=engine,
            uncached_tokens=uncached,
            prefill_tps=speed.prefill_tps,
            decode_tps=speed.decode_tps,
            load_s=load_s,
            refused=refused if time.monotonic() < until_s else "",
        )


def prompt_tokens(path: Sequence[Message], profile: Profile, engine: str) -> tuple[int, int]:
    """About how many tokens a prompt will have, and how many `engine` has not cached of them.

    An answer's figures tell how long the conversation was at its end; its engine's KV cache for
    the profile still holds that much. What came later is estimated by its length.
    """
    held = total = 0
    later = len(profile.system_prompt.encode()) // _BYTES_PER_TOKEN + _TEMPLATE_TOKENS
    for message in path:
        context_tokens = _context_tokens(message)
        if context_tokens is None:
            later += _estimated_tokens(message)
            continue
        total, later = context_tokens, 0
        if message.profile == profile.name and message.stats and message.stats["engine"] == engine:
            held = context_tokens
    total += later
    return total, max(1, total - held)


def _context_tokens(message: Message) -> int | None:
    """Tokens of the conversation up to an answer's end; None where its figures do not tell."""
    stats = message.stats or {}
    counts = [stats.get(key) for key in ("prompt_tokens", "generated_tokens")]
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if len(known) == len(counts) and "engine" in stats else None


def _estimated_tokens(message: Message) -> int:
    texts = [answer_text(message), *(file.text for file in message.attachments)]
    length = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return length // _BYTES_PER_TOKEN + _TEMPLATE_TOKENS


def _answered_by(path: Sequence[Message], profile: Profile) -> str:
    """The engine of the profile's last answer; empty before the first one."""
    for message in reversed(path):
        if message.role is Role.ASSISTANT and message.profile == profile.name and message.stats:
            return str(message.stats.get("engine", ""))
    return ""
