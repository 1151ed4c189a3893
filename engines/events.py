"""What an engine reports while it works. Frozen and serialisable, like the requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engines.errors import EngineError
from engines.stats import GenerationStats
from engines.types import ModelInfo, ToolCall


class TextKind(StrEnum):
    ANSWER = "answer"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """`fraction` is 0…1, or None while it cannot be told; `stage` is a short verb phrase."""

    stage: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    info: ModelInfo
    load_s: float


@dataclass(frozen=True, slots=True)
class PrefillProgress:
    """`done_tokens` counts the cached ones; prefill ends when it reaches `prompt_tokens`."""

    done_tokens: int
    prompt_tokens: int
    cached_tokens: int
    elapsed_s: float

    @property
    def remaining_s(self) -> float | None:
        """Seconds still needed at the speed so far; None before the first chunk."""
        prefilled = self.done_tokens - self.cached_tokens
        if prefilled <= 0 or self.elapsed_s <= 0:
            return None
        return (self.prompt_tokens - self.done_tokens) * self.elapsed_s / prefilled


@dataclass(frozen=True, slots=True)
class TextChunk:
    """Whole characters of the answer, in order.

    `token_count` counts the tokens generated since the previous chunk (text that is held back, such
    as half a character, is counted when it comes out), `drafted_token_count` those of them that
    were drafted and accepted.
    """

    text: str
    kind: TextKind
    token_count: int
    drafted_token_count: int = 0


@dataclass(frozen=True, slots=True)
class GenerationFinished:
    """The last event of every generation.

    Args:
        token_ids: The whole sequence, prompt and answer, without a closing end-of-turn token: what
            the next turn's prompt must start with for its KV cache to be reused.
        prompt_token_counts: Tokens of each prompt segment, in order.
    """

    reason: FinishReason
    stats: GenerationStats
    token_ids: tuple[int, ...]
    prompt_token_counts: tuple[int, ...]
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class TokensCounted:
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CacheForgotten:
    cache_key: str


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """A request that ended in an error, in words for the user; `kind` names the error class."""

    kind: str
    message: str
    hint: str = ""

    @classmethod
    def from_error(cls, error: EngineError) -> EngineFailed:
        return cls(type(error).__name__, error.message, error.hint)


GenerationEvent = PrefillProgress | TextChunk | GenerationFinished
EngineEvent = (
    LoadProgress | ModelLoaded | GenerationEvent | TokensCounted | CacheForgotten | EngineFailed
)
