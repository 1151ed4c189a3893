"""The stats bar's one line, as a pure function of the figures and the width.

Every segment has several forms, longest first. The most important segments that fit are shown, and
those are then lengthened in the same order, so that nothing ever wraps or is cut in a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.cells import cell_len, set_cell_size
from textual.content import Content

UNKNOWN = "—"
SEPARATOR = " │ "
LABEL = "$foreground-muted"
VALUE = "$foreground"
STRONG = "bold $text-primary"
DEMO_LABEL = "tiny demonstration model"
CORE_SEGMENTS = 4


class Phase(StrEnum):
    IDLE = "idle"
    LOADING = "loading"
    QUEUED = "queued"
    PREFILL = "prefill"
    DECODE = "decode"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Figures:
    """What the stats bar shows; None is a figure that is not known.

    Args:
        next_profile: Title of a profile that is chosen and not in use yet, or an empty string.
        load_fraction: 0…1 while a model loads.
        decode_tps: Over the last second while decoding, over the whole turn afterwards.
        kv_reserved_bytes: 0 where the cache grows with use.
        gain: `decode_tps` of this turn ÷ plain decode tok/s of the same model in this process.
    """

    profile: str = ""
    model: str = ""
    engine: str = ""
    quantization: str = ""
    is_demo: bool = False
    next_profile: str = ""
    phase: Phase = Phase.IDLE
    load_stage: str = ""
    load_fraction: float | None = None
    ttft_s: float | None = None
    prefill_done_tokens: int | None = None
    prefill_tokens: int | None = None
    prefill_remaining_s: float | None = None
    decode_tps: float | None = None
    bandwidth_ceiling_tps: float | None = None
    effective_tps: float | None = None
    kv_used_bytes: int | None = None
    kv_reserved_bytes: int | None = None
    kv_type: str = ""
    context_length_tokens: int | None = None
    context_window_tokens: int | None = None
    has_draft: bool = False
    acceptance_rate: float | None = None
    gain: float | None = None
    process_bytes: int | None = None
    model_bytes: int | None = None


Part = tuple[str, str]
"""A piece of text and its style."""

Form = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """One figure.

    Args:
        rank: 0 is the most important.
        forms: From the longest to the shortest.
        preferred: Index of the form to reach before less important segments are shown at all.
    """

    rank: int
    forms: tuple[Form, ...]
    preferred: int = -1


def stats_line(figures: Figures, width: int) -> Content:
    """The figures in one line of at most `width` cells."""
    segments = _segments(figures)
    order = sorted(range(len(segments)), key=lambda index: segments[index].rank)
    chosen = _chosen_forms([segments[index] for index in order], width)
    line: list[Part] = []
    for index, form in sorted((order[place], form) for place, form in enumerate(chosen)):
        if line:
            line.append((SEPARATOR, LABEL))
        line.extend(segments[index].forms[form])
    return Content.assemble(*line) if line else Content(_cut(figures.profile, width))


def _chosen_forms(by_rank: Sequence[Segment], width: int) -> list[int]:
    """Which form each segment takes, by rank; the segments after the last one do not fit.

    First the most important ones in their shortest form, then those in their preferred one, then
    the others in their shortest, and at last every one as long as there is room. The first one
    is there before the others and grows after them.
    """
    chosen: list[int] = []
    left = _add_shortest(by_rank[:CORE_SEGMENTS], chosen, width)
    left = _lengthen(by_rank, chosen, left, [s.preferred % len(s.forms) for s in by_rank])
    if len(chosen) == CORE_SEGMENTS:
        left = _add_shortest(by_rank[CORE_SEGMENTS:], chosen, left)
    _lengthen(by_rank, chosen, left, [0] * len(by_rank))
    return chosen


def _add_shortest(segments: Sequence[Segment], chosen: list[int], left: int) -> int:
    for segment in segments:
        separator = len(SEPARATOR) if chosen else 0
        needed = _form_width(segment.forms[-1]) + separator
        if needed > left:
            break
        chosen.append(len(segment.forms) - 1)
        left -= needed
    return left


def _lengthen(
    by_rank: Sequence[Segment], chosen: list[int], left: int, longest: Sequence[int]
) -> int:
    for place in (*range(1, len(chosen)), *range(min(1, len(chosen)))):
        now, forms = chosen[place], by_rank[place].forms
        for form in range(longest[place], now):
            growth = _form_width(forms[form]) - _form_width(forms[now])
            if growth <= left:
                chosen[place] = form
                left -= growth
                break
    return left


def _form_width(form: Form) -> int:
    return sum(cell_len(text) for text, _ in form)


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else ""


def _segments(figures: Figures) -> list[Segment]:
    return [
        Segment(0, _identity(figures), preferred=-3),
        Segment(2, _ttft(figures)),
        Segment(1, _speed(figures), preferred=-2 if figures.bandwidth_ceiling_tps else -1),
        Segment(6, _one("effective ", rate_text(figures.effective_tps), short="eff ")),
        Segment(4, _kv_cache(figures)),
        Segment(3, _context(figures)),
        Segment(5, _draft(figures)),
        Segment(7, _memory(figures)),
    ]


def _identity(figures: Figures) -> tuple[Form, ...]:
    title: tuple[Part, ...] = ((_cut(figures.profile, 24), STRONG),)
    if figures.next_profile:
        title += ((f" → {_cut(figures.next_profile, 24)}", "$text-warning"),)
    runs_on = " ".join(part for part in (figures.engine, figures.quantization) if part)
    names = (DEMO_LABEL, "demo model") if figures.is_demo else (figures.model,)
    texts = [f"{name} · {runs_on}" for name in names if name and runs_on]
    texts += [name for name in names[-1:] if name]
    return (*((*title, (f" · {text}", LABEL)) for text in texts), title)


def _ttft(figures: Figures) -> tuple[Form, ...]:
    return ((("TTFT ", LABEL), (seconds_text(figures.ttft_s), VALUE)),)


def _speed(figures: Figures) -> tuple[Form, ...]:
    if figures.phase is Phase.LOADING:
        return _loading(figures)
    if figures.phase is Phase.FAILED:
        return ((("model not loaded", "$text-error"),), (("failed", "$text-error"),))
    if figures.phase is Phase.QUEUED:
        return ((("waiting", "$text-warning"),),)
    if figures.phase is Phase.PREFILL:
        return _prefill(figures)
    speed: Form = ((rate_text(figures.decode_tps), VALUE), (" tok/s", LABEL))
    if figures.decode_tps is None:
        return (speed,)
    if not figures.bandwidth_ceiling_tps:
        return ((*speed, (f" · {UNKNOWN} of ceiling", LABEL)), speed)
    share = f"{100 * figures.decode_tps / figures.bandwidth_ceiling_tps:.0f} %"
    ceiling = f" of {rate_text(figures.bandwidth_ceiling_tps)}"
    return (
        (*speed, (" · ", LABEL), (share, VALUE), (ceiling, LABEL)),
        (*speed, (" · ", LABEL), (share, VALUE)),
        speed,
    )


def _loading(figures: Figures) -> tuple[Form, ...]:
    percent = "" if figures.load_fraction is None else f" {100 * figures.load_fraction:.0f} %"
    stage = figures.load_stage or "loading"
    long: Form = ((f"loading: {stage}{percent}", "$text-warning"),)
    return (long, ((f"loading{percent}", "$text-warning"),))


def _prefill(figures: Figures) -> tuple[Form, ...]:
    if figures.prefill_tokens is None or figures.prefill_done_tokens is None:
        return ((("prefill ", LABEL), (UNKNOWN, VALUE)),)
    percent = f"{100 * figures.prefill_done_tokens / max(1, figures.prefill_tokens):.0f} %"
    counts = f"{figures.prefill_done_tokens:,}/{figures.prefill_tokens:,} "
    eta = (
        ""
        if not figures.prefill_remaining_s
        else f" · {seconds_text(figures.prefill_remaining_s)} left"
    )
    return (
        (("prefill ", LABEL), (counts, LABEL), (percent, VALUE), (eta, VALUE)),
        (("prefill ", LABEL), (percent, VALUE), (eta, VALUE)),
        (("prefill ", LABEL), (percent, VALUE)),
    )


def _kv_cache(figures: Figures) -> tuple[Form, ...]:
    used: Form = (("KV ", LABEL), (bytes_text(figures.kv_used_bytes), VALUE))
    grows = figures.kv_reserved_bytes == 0
    of = " grows" if grows else f" of {bytes_text(figures.kv_reserved_bytes)}"
    reserved: Form = ((of, LABEL),)
    kv_type: Form = ((f" {figures.kv_type}", LABEL),) if figures.kv_type else ()
    return ((*used, *reserved, *kv_type), (*used, *kv_type), used)


def _context(figures: Figures) -> tuple[Form, ...]:
    length = (
        UNKNOWN if figures.context_length_tokens is None else f"{figures.context_length_tokens:,}"
    )
    window = (
        UNKNOWN if figures.context_window_tokens is None else f"{figures.context_window_tokens:,}"
    )
    counts: Form = ((length, VALUE), (f"/{window}", LABEL))
    return ((("context ", LABEL), *counts), (("ctx ", LABEL), *counts))


def _draft(figures: Figures) -> tuple[Form, ...]:
    if not figures.has_draft:
        return ((("no draft", LABEL),),)
    rate = figures.acceptance_rate
    accepted = UNKNOWN if rate is None else f"{100 * rate:.0f} %"
    gain = UNKNOWN if figures.gain is None else f"{figures.gain:.2f}x"
    return (
        (("draft ", LABEL), (accepted, VALUE), (" accepted · gain ", LABEL), (gain, VALUE)),
        (("draft ", LABEL), (accepted, VALUE), (" gain ", LABEL), (gain, VALUE)),
        (("draft ", LABEL), (accepted, VALUE)),
    )


def _memory(figures: Figures) -> tuple[Form, ...]:
    process: Form = (("memory ", LABEL), (bytes_text(figures.process_bytes), VALUE))
    model: Form = ((" · model ", LABEL), (bytes_text(figures.model_bytes), VALUE))
    return ((*process, *model), process)


def _one(label: str, value: str, short: str) -> tuple[Form, ...]:
    return (((label, LABEL), (value, VALUE)), ((short, LABEL), (value, VALUE)))


def rate_text(tps: float | None) -> str:
    """Tokens per second, without the unit."""
    if tps is None:
        return UNKNOWN
    return f"{tps:,.0f}" if tps >= 100 else f"{tps:.1f}"


def seconds_text(seconds: float | None) -> str:
    """A duration in the unit that suits it."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def bytes_text(count: int | None) -> str:
    """A size in the decimal unit that suits it."""
    if count is None:
        return UNKNOWN
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    if count < 1_000_000_000:
        return f"{count / 1_000_000:.0f} MB"
    return f"{count / 1_000_000_000:.1f} GB"
