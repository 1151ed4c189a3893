"""The line under an answer: who gave it, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conversation.message import Message
from tui.sanitize import one_line
from tui.stats_line import rate_text, seconds_text


def answer_footer(message: Message, profile_title: str = "") -> str:
    """Profile, model and figures of `message`, as far as they are known; empty where none came."""
    if not message.parts and not message.stats:
        return ""
    parts = (profile_title or message.profile, message.model)
    return " · ".join(part for part in (*parts, *_figures(message.stats or {})) if part)


def _figures(stats: Mapping[str, Any]) -> list[str]:
    figures = []
    if tokens := stats.get("generated_tokens"):
        figures.append(f"{tokens:,} tokens")
    if tps := stats.get("decode_tps"):
        figures.append(f"{rate_text(tps)} tok/s")
    if (ttft_s := stats.get("ttft_s")) is not None:
        figures.append(f"TTFT {seconds_text(ttft_s)}")
    if (prompt := stats.get("prompt_tokens")) and (cached := stats.get("cached_tokens")):
        from_disk = " from disk" if _cache_source(stats) == "disk" else ""
        figures.append(f"cached {cached:,}/{prompt:,}{from_disk}")
    if (rate := stats.get("acceptance_rate")) is not None:
        figures.append(f"draft {100 * rate:.0f} %")
    for name in ("engine_choice", "cache_note", "memory_note"):
        if note := stats.get(name):
            figures.append(one_line(note))
    return figures


def _cache_source(stats: Mapping[str, Any]) -> str:
    reuse = stats.get("cache_reuse")
    return str(reuse.get("source", "")) if isinstance(reuse, Mapping) else ""
