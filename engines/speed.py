"""How fast a model will be on a machine: decode by memory bandwidth, prefill by arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from engines.chips import MEASURED_MODEL_PARAMETERS
from engines.hardware import Machine
from engines.model_shape import ModelShape, Weights

DECODE_SHARE = (0.6, 0.8)
"""Of the ceiling, what is reached in practice: KV cache, attention and kernel overhead."""
MIXTURE_SHARE = (0.2, 0.35)
"""The same for a mixture of experts, whose many small reads leave bandwidth unused: 57.8 tok/s
on llama.cpp, 64-92 and 111.4 on MLX, with Qwen3.5-35B-A3B in 4 bits on an M4 Max, whose ceiling
is 324 (the guide's figures)."""
PREFILL_SHARE = (0.6, 1.0)
"""Of the tabulated figure. A mixture's experts take the lower end on llama.cpp: 1,147 of 1,810
tok/s with Qwen3.5-35B-A3B on an M4 Max, where MLX reaches 1,804 (the guide's own figures)."""
_USUAL_SHARE = 0.7
_SMALL_SHARE = 0.5
"""A chip whose published decode makes use of less (Ultra, A100, H100) is expected to do so."""


@dataclass(frozen=True, slots=True)
class SpeedRange:
    """Tokens per second, from a cautious to a hopeful figure."""

    low_tps: float
    high_tps: float

    @property
    def middle_tps(self) -> float:
        return (self.low_tps + self.high_tps) / 2


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """What this model did on this machine; None for what nobody has measured yet."""

    decode_tps: float | None = None
    prefill_tps: float | None = None


NOT_MEASURED = MeasuredSpeed()


@dataclass(frozen=True, slots=True)
class SpeedEstimate:
    """The speed to expect at one length of context.

    Args:
        context_tokens: In use while decoding; as a prompt, what is read before the first token.
        ceiling_tps: What memory bandwidth allows; None where the bandwidth is not known.
        decode: What to expect of it.
        prefill: None where neither a measurement nor the table tells.
        ttft_s: From the send key to the first token of the answer, with nothing cached.
        source: `measured`, or `estimated`.
    """

    context_tokens: int
    ceiling_tps: float | None
    decode: SpeedRange | None
    prefill: SpeedRange | None
    ttft_s: tuple[float, float] | None
    source: str


def estimate_speed(
    shape: ModelShape,
    weights: Weights,
    machine: Machine,
    context_tokens: int,
    kv_type: str = "f16",
    measured: MeasuredSpeed = NOT_MEASURED,
) -> SpeedEstimate:
    """Decode and prefill with `context_tokens` in the context.

    Decode reads the active weights and the KV cache once for every token, so that it cannot be
    faster than bandwidth ÷ those bytes. Prefill is bound by arithmetic: a published figure of the
    chip is scaled by the operations that this model needs.
    """
    bytes_per_token = weights.bytes_per_token + shape.kv_read_bytes(context_tokens, kv_type)
    bandwidth = machine.memory_bandwidth_bytes_per_s
    ceiling = bandwidth / max(1, bytes_per_token) if bandwidth else None
    decode = _decode(ceiling, measured.decode_tps, _decode_share(machine, shape.is_mixture))
    prefill = _prefill(shape, machine, context_tokens, measured.prefill_tps)
    return SpeedEstimate(
        context_tokens=context_tokens,
        ceiling_tps=ceiling,
        decode=decode,
        prefill=prefill,
        ttft_s=_ttft(context_tokens, prefill, decode),
        source="measured" if measured.decode_tps or measured.prefill_tps else "estimated",
    )


def _decode_share(machine: Machine, is_mixture: bool) -> tuple[float, float]:
    low, high = MIXTURE_SHARE if is_mixture else DECODE_SHARE
    published = machine.known_chip.decode_share if machine.known_chip else None
    if published is None or published >= _SMALL_SHARE:
        return low, high
    return low * published / _USUAL_SHARE, high * published / _USUAL_SHARE


def _decode(
    ceiling_tps: float | None, measured_tps: float | None, share: tuple[float, float]
) -> SpeedRange | None:
    if measured_tps:
        return SpeedRange(measured_tps, measured_tps)
    if ceiling_tps is None:
        return None
    low, high = share
    return SpeedRange(low * ceiling_tps, high * ceiling_tps)


def _prefill(
    shape: ModelShape, machine: Machine, tokens: int, measured_tps: float | None
) -> SpeedRange | None:
    if measured_tps:
        return SpeedRange(measured_tps, measured_tps)
    chip = machine.known_chip
    if chip is None or not chip.prefill_7b_tps or tokens <= 0:
        return None
    flops_per_s = chip.prefill_7b_tps * 2 * MEASURED_MODEL_PARAMETERS
    tps = tokens * flops_per_s / shape.prefill_flops(tokens)
    low, high = PREFILL_SHARE
    return SpeedRange(low * tps, high * tps)


def _ttft(
    tokens: int, prefill: SpeedRange | None, decode: SpeedRange | None
) -> tuple[float, float] | None:
    """The shortest and the longest: prefill, then one step of decode."""
    if prefill is None or decode is None:
        return None
    return (
        tokens / prefill.high_tps + 1 / decode.high_tps,
        tokens / prefill.low_tps + 1 / decode.low_tps,
    )
