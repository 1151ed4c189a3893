"""What is asked when a model is to be loaded, and what a machine has room for.

Two limits. The rule: weights (and a draft model's) take at most 60 % of unified memory, which
leaves room for the system, the KV cache and buffers. The hard limit: everything together stays
below the memory less what the system needs. Between them a model is tight: it runs while little
else does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from engines.hardware import GIB, Machine
from engines.memory import size_text
from engines.model_shape import ModelShape, Weights
from engines.speed import NOT_MEASURED, MeasuredSpeed

WEIGHTS_SHARE = 0.6
"""Of unified memory: the guide's rule."""
CARD_SHARE = 0.85
"""Of a discrete GPU's memory, which has no system to share with."""
_SYSTEM_SHARE = 8
_SYSTEM_BYTES = (2 * GIB, 4 * GIB)
_CARD_SYSTEM_BYTES = GIB // 2
_BUFFER_BYTES = 64 * 2**20
_ACTIVATION_BYTES_PER_TOKEN = 384 * 2**10
_LOGIT_BYTES = 4
_CHUNK_TOKENS = 512
_WINDOW_STEP_TOKENS = 1024


class Verdict(StrEnum):
    FITS = "fits"
    TIGHT = "tight"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft model beside the model."""

    shape: ModelShape
    weights: Weights


@dataclass(frozen=True, slots=True)
class FitQuestion:
    """What is to be loaded.

    Args:
        context_tokens: The context window to reserve for.
        kv_type: A key of `engines.model_shape.KV_BITS`.
        prompt_tokens: In use while decoding, and read for the first token; at most the window.
        engine: `mlx` keeps the window alone of layers with a sliding one, `llama.cpp` all.
    """

    shape: ModelShape
    weights: Weights
    context_tokens: int
    kv_type: str = "f16"
    draft: Draft | None = None
    prompt_tokens: int = 1000
    engine: str = "llama.cpp"
    measured: MeasuredSpeed = NOT_MEASURED

    @property
    def kv_bytes(self) -> int:
        keeps_windows = self.engine == "mlx"
        own = self.shape.kv_cache_bytes(self.context_tokens, self.kv_type, keeps_windows)
        if self.draft is None:
            return own
        return own + self.draft.shape.kv_cache_bytes(self.context_tokens, "f16", keeps_windows)

    @property
    def weights_bytes(self) -> int:
        return self.weights.total_bytes + (self.draft.weights.total_bytes if self.draft else 0)

    @property
    def working_bytes(self) -> int:
        """Activations of a chunk of the prompt, or its logits, whichever is more."""
        logits = _LOGIT_BYTES * self.shape.vocabulary_size
        return _BUFFER_BYTES + _CHUNK_TOKENS * max(_ACTIVATION_BYTES_PER_TOKEN, logits)

    @property
    def needed_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.working_bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What a machine has room for.

    Args:
        weights_bytes: The rule's.
        hard_bytes: For everything together.
        working_set_bytes: What the GPU may keep in memory; can be raised on a Mac.
    """

    weights_bytes: int
    hard_bytes: int
    working_set_bytes: int


def limits_of(machine: Machine) -> Limits:
    """What models may take on the machine, nothing else of weight running."""
    memory = machine.model_memory_bytes
    if machine.gpu_memory_bytes:
        room = memory - _CARD_SYSTEM_BYTES
        return Limits(int(CARD_SHARE * memory), room, room)
    least, most = _SYSTEM_BYTES
    room = memory - min(most, max(least, memory // _SYSTEM_SHARE))
    working_set = machine.working_set_bytes or room
    return Limits(int(WEIGHTS_SHARE * memory), room, min(room, working_set))


def judge(question: FitQuestion, machine: Machine) -> Verdict:
    """The verdict alone."""
    return judge_within(question, limits_of(machine))[0]


def largest_window(question: FitQuestion, limits: Limits) -> int:
    """The longest context that stays within the hard limit, in steps of 1,024 tokens."""
    shape = question.shape
    most = max(shape.context_window_tokens, question.context_tokens) // _WINDOW_STEP_TOKENS
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        window = replace(question, context_tokens=middle * _WINDOW_STEP_TOKENS)
        if window.needed_bytes <= limits.hard_bytes:
            least = middle
        else:
            most = middle - 1
    return least * _WINDOW_STEP_TOKENS


def judge_within(question: FitQuestion, limits: Limits) -> tuple[Verdict, list[str]]:
    """The verdict, and a sentence or two on it with numbers."""
    needed, weights = question.needed_bytes, question.weights_bytes
    if needed > limits.hard_bytes:
        return Verdict.NO, [
            f"It takes {size_text(needed)} and this machine has room for"
            f" {size_text(limits.hard_bytes)}."
        ]
    reasons = []
    if weights > limits.weights_bytes:
        reasons.append(
            f"Weights of {size_text(weights)} are more than the rule's share of memory,"
            f" {size_text(limits.weights_bytes)}: close other programs."
        )
    if needed > limits.working_set_bytes:
        reasons.append(
            f"It takes {size_text(needed)}, and Metal lets the GPU keep"
            f" {size_text(limits.working_set_bytes)} unless that is raised."
        )
    if reasons:
        return Verdict.TIGHT, reasons
    return Verdict.FITS, [
        f"It takes {size_text(needed)} of the {size_text(limits.working_set_bytes)} that there"
        " is room for."
    ]
