"""What would make a model fit, or fit better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engines.fit_question import (
    FitQuestion,
    Limits,
    Verdict,
    judge,
    judge_within,
    largest_window,
    limits_of,
)
from engines.hardware import GIB, Machine, usual_working_set_bytes
from engines.hardware_probes import GPU
from engines.memory import size_text
from engines.model_shape import Weights, weights_by_bits
from engines.quantization import GGUF, Quantization, find_quantization, known_quantizations

_SMALLEST_WINDOW_TOKENS = 2048
_WIDE_TYPES = ("f16", "bf16", "f32")
_SMALLER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "8-bit", "6-bit", "5-bit", "4-bit")
_MAC_SIZES_GB = (8, 16, 24, 32, 36, 48, 64, 96, 128, 192, 256, 512)


def remedies_for(question: FitQuestion, machine: Machine) -> Iterator[str]:
    """What would give a better verdict, the least painful first; each would do alone."""
    limits = limits_of(machine)
    fits_tightly = question.needed_bytes <= limits.hard_bytes
    better = (Verdict.FITS,) if fits_tightly else (Verdict.FITS, Verdict.TIGHT)
    yield from _smaller_questions(question, limits, better)
    if fits_tightly and machine.gpu is GPU.METAL:
        yield from _raised_limit(question, limits)
    if machine.gpu_memory_bytes:
        yield from _split_layers(question, machine, limits)
    elif (size_gb := _memory_for(question, machine)) is not None:
        yield f"A machine with {size_gb} GB has room for it."


def _smaller_questions(
    question: FitQuestion, limits: Limits, better: tuple[Verdict, ...]
) -> Iterator[str]:
    """To ask for less: a smaller KV cache, no draft, a shorter window, fewer bits."""

    def helps(change: FitQuestion) -> bool:
        return judge_within(change, limits)[0] in better

    quantized = replace(question, kv_type="q8_0")
    if question.kv_type in _WIDE_TYPES and _can_quantize_kv(question) and helps(quantized):
        saved = question.kv_bytes - quantized.kv_bytes
        yield f"Keep the KV cache in q8_0: saves {size_text(saved)} and costs next to nothing."
    if question.draft and helps(replace(question, draft=None)):
        yield "Leave the draft model out."
    window = _fitting_window(question, limits, better)
    if _SMALLEST_WINDOW_TOKENS <= window < question.context_tokens:
        yield f"Ask for a context window of at most {window:,} tokens."
    for smaller in _smaller_than(question.weights):
        coarser = _in(question, smaller)
        if helps(coarser):
            size_gb = coarser.weights.total_bytes / 1e9
            yield f"Take it in {smaller.name}: about {size_gb:.1f} GB of weights."
            return


def _raised_limit(question: FitQuestion, limits: Limits) -> Iterator[str]:
    """Metal's working set in megabytes, in steps of 256 and with some room above."""
    if limits.working_set_bytes < question.needed_bytes:
        megabytes = -(-question.needed_bytes // 2**20 // 256) * 256 + 512
        yield (
            "Let the GPU keep more, until the next start of the Mac:"
            f" sudo sysctl iogpu.wired_limit_mb={megabytes}"
        )


def _split_layers(question: FitQuestion, machine: Machine, limits: Limits) -> Iterator[str]:
    both = limits.hard_bytes + machine.memory_available_bytes
    if not machine.is_described and limits.hard_bytes < question.needed_bytes <= both:
        yield "llama.cpp can leave layers in main memory, which is several times slower."


def _can_quantize_kv(question: FitQuestion) -> bool:
    """MLX cannot where layers keep a window alone."""
    has_window = any(kind.window_tokens for kind in question.shape.attention)
    return not (question.engine == "mlx" and has_window)


def _fitting_window(question: FitQuestion, limits: Limits, better: tuple[Verdict, ...]) -> int:
    limit = (
        limits if Verdict.TIGHT in better else replace(limits, hard_bytes=limits.working_set_bytes)
    )
    window = largest_window(question, limit)
    is_better = judge_within(replace(question, context_tokens=window), limits)[0] in better
    return window if is_better else 0


def _smaller_than(weights: Weights) -> Iterator[Quantization]:
    """Quantizations of the same format with fewer bits, the finest of them first."""
    known = known_quantizations()
    present = find_quantization(weights.quantization) if _is_known(weights.quantization) else None
    for name in _SMALLER:
        other = known[name]
        same_format = other.format == (present.format if present else GGUF)
        if same_format and (present is None or other.bits_per_weight < present.bits_per_weight):
            yield other


def _is_known(name: str) -> bool:
    return name.lower() in {known.lower() for known in known_quantizations()}


def _in(question: FitQuestion, quantization: Quantization) -> FitQuestion:
    """The same model in another quantization."""
    bits = quantization.bits_per_weight
    return replace(question, weights=weights_by_bits(question.shape, bits, quantization.name))


def _memory_for(question: FitQuestion, machine: Machine) -> int | None:
    """The smallest usual size of unified memory that it fits into, larger than this machine's."""
    for size_gb in _MAC_SIZES_GB:
        total = size_gb * GIB
        if total <= machine.memory_total_bytes:
            continue
        working_set = usual_working_set_bytes(total) if machine.gpu is GPU.METAL else None
        larger = replace(machine, memory_total_bytes=total, working_set_bytes=working_set)
        if judge(question, larger) is Verdict.FITS:
            return size_gb
    return None
