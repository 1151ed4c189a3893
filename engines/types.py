"""What a caller asks of an engine. Frozen and serialisable, so that it can cross a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from engines.sampling_limits import check_sampling

PENALTY_WINDOW_TOKENS = 64
LONG_CONTEXT_TOKENS = 8192
"""From here on a coarse KV cache is worth a warning."""


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; `arguments` is the JSON text it wrote."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as the chat template sees it."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is drawn, the same way on every engine.

    The logits are first changed by `logit_bias` and by the penalties, then cut down to `top_k`,
    `top_p` and `min_p` in this order, then divided by `temperature`. `temperature` 0 is greedy.
    `top_k` 0, `top_p` 1 and `min_p` 0 are off. The penalties look at the last
    `PENALTY_WINDOW_TOKENS` tokens, the prompt's included, and are off at 1 (repetition) and 0
    (presence, frequency). With a `seed` the same engine writes the same text.

    Args:
        logit_bias: What to add to the logits of tokens, each named by its id or by its text, which
            must be a single token of the model that is used.

    Raises:
        GenerationError: a setting is not a usable number.
    """

    temperature: float = 0.7
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    logit_bias: tuple[tuple[int | str, float], ...] = ()

    def __post_init__(self) -> None:
        check_sampling(self)

    @property
    def has_penalties(self) -> bool:
        return (
            self.repetition_penalty != 1
            or self.presence_penalty != 0
            or self.frequency_penalty != 0
        )


class ConstraintKind(StrEnum):
    JSON_SCHEMA = "json_schema"
    GRAMMAR = "grammar"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A form that the answer must have.

    It holds for the answer alone: a reasoning passage before it is free. An answer that is cut by
    `max_tokens` or a stop text is a beginning of what the constraint allows.

    Args:
        text: A JSON Schema, or a grammar in GBNF (llama.cpp's) or Lark notation.
    """

    kind: ConstraintKind
    text: str


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A model to have ready. Equal requests share one loaded model.

    Args:
        engine: A name from `engines.registry`.
        model: A GGUF file, a model folder, or an embedded model (`demo:target`).
        draft_model: The same for the draft model; None loads none.
        context_window_tokens: The limit to reserve for; None takes the model's own.
        kv_type: Element type of the KV cache: `f16`, `bf16`, `f32`, `q8_0` or `q4_0`.
        adapter: LoRA weights to add to the model: a folder of MLX's, a GGUF file for llama.cpp.
        options: Engine-specific settings, such as the scripted engine's script and rate.
        gpu_layers: Layers that llama.cpp computes on the GPU; None takes all, or where they do not
            fit as many as do.
        flash_attention: For llama.cpp; None lets it choose.
        chunk_tokens: Prompt tokens to read in one pass at most; None leaves it to the engine.
        draft_depth: Tokens to draft in one step at most; None leaves it to measurement.
    """

    engine: str
    model: str
    draft_model: str | None = None
    context_window_tokens: int | None = None
    kv_type: str = "f16"
    options: tuple[tuple[str, str], ...] = ()
    adapter: str | None = None
    gpu_layers: int | None = None
    flash_attention: bool | None = None
    chunk_tokens: int | None = None
    draft_depth: int | None = None


PromptSegment = str | tuple[int, ...]
"""Text still to be tokenized (special tokens included), or token ids that are already known."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prefill and decode.

    Args:
        prompt: Segments, in order; token ids of earlier turns are passed on as they were.
        cache_key: Which KV cache to continue (a conversation on a profile).
        max_tokens: Tokens to generate at most; None goes on to the end of the context window.
        stop: Texts that end the answer and are not part of it.
        reasoning_tags: Opening and closing text of a reasoning passage, or None.
        tool_call_tags: The same for a tool call.
        use_draft: False decodes plainly: without the draft model and without lookups.
        references: Texts that the answer may repeat, such as files it is about.
        constraint: The form that the answer must have, or None.
    """

    prompt: tuple[PromptSegment, ...]
    cache_key: str
    sampling: SamplingParams = field(default_factory=SamplingParams)
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_tags: tuple[str, str] | None = None
    tool_call_tags: tuple[str, str] | None = None
    use_draft: bool = True
    references: tuple[str, ...] = ()
    constraint: Constraint | None = None

    @property
    def starts_in_reasoning(self) -> bool:
        """The prompt ends within a reasoning passage."""
        opened, closed = self._last_tags
        return opened > closed

    @property
    def may_open_reasoning(self) -> bool:
        """The prompt leaves it to the model whether there is a reasoning passage."""
        if self.reasoning_tags is None or self.starts_in_reasoning:
            return False
        last = self.prompt[-1] if self.prompt else ""
        return not (isinstance(last, str) and last.rstrip().endswith(self.reasoning_tags[1]))

    @property
    def _last_tags(self) -> tuple[int, int]:
        """Where in the prompt's last text the tags are last; -1 where they are not."""
        last = self.prompt[-1] if self.prompt else ""
        if self.reasoning_tags is None or not isinstance(last, str):
            return -1, -1
        opening, closing = self.reasoning_tags
        return last.rfind(opening), last.rfind(closing)


@dataclass(frozen=True, slots=True)
class CountTokensRequest:
    """Token counts of `texts`, by the loaded model's own tokenizer."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForgetCacheRequest:
    """Drop the KV cache of `cache_key`; nothing happens when there is none.

    A key that ends with a slash stands for all that begin with it.
    """

    cache_key: str


EngineRequest = GenerationRequest | CountTokensRequest | ForgetCacheRequest


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is loaded. Sizes are bytes; a figure that is not known is None.

    Args:
        name: The model's own name.
        quantization: Of the weights as they are held in memory, e.g. `Q8_0` or `Q8_0→f32`.
        weights_bytes: Bytes of weights read per decoded token (for a dense model: all of them).
        kv_bytes_per_token: KV cache growth per token of context.
        kv_fixed_bytes: Part of the cache that does not grow (recurrent state).
        kv_reserved_bytes: Bytes set aside up front; 0 when the cache grows with use.
        chat_template: Jinja source, or an empty string.
        tokenizer_fingerprint: Equal for models whose token ids and chat template are the same.
        draft_refused: Why a requested draft model is not in use, or why this model cannot be
            drafted for at all; empty where neither is so.
        is_demo: True for the embedded demonstration model.
        memory_note: What is not as it was asked for, because it would not fit into memory.
    """

    name: str
    engine: str
    architecture: str
    quantization: str
    parameters: int | None
    weights_bytes: int
    context_window_tokens: int
    kv_type: str
    kv_bytes_per_token: int
    chat_template: str
    bos_token: str
    eos_token: str
    tokenizer_fingerprint: str
    kv_fixed_bytes: int = 0
    kv_reserved_bytes: int = 0
    draft_name: str | None = None
    draft_refused: str = ""
    is_demo: bool = False
    memory_note: str = ""

    @property
    def kv_note(self) -> str:
        """What to know about the KV cache's type; empty where there is nothing to say."""
        if self.kv_type != "q4_0" or self.context_window_tokens < LONG_CONTEXT_TOKENS:
            return ""
        return (
            "A q4_0 KV cache reads prompts slowly and loses detail in long contexts; q8_0 is the"
            " safe way to save memory."
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """All that a user should read once the model is loaded."""
        return tuple(note for note in (self.memory_note, self.kv_note) if note)

    def kv_cache_bytes(self, context_length_tokens: int) -> int:
        """Bytes of KV cache in use by `context_length_tokens` of context."""
        return self.kv_fixed_bytes + self.kv_bytes_per_token * context_length_tokens
