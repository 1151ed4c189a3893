"""How `llm-tui ask` shows an answer: as plain text, or as one JSON object a line.

writer.loading(event)        LoadProgress, ModelLoaded
writer.show(event)           PrefillProgress, TextChunk, HistoryDropped, EngineChoice
writer.finish(ending)        once, last
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TextIO

from conversation.context_window import HistoryDropped
from conversation.message import MessageError
from engines.events import LoadProgress, ModelLoaded, PrefillProgress, TextChunk, TextKind
from engines.stats import GenerationStats
from profiles.routing import EngineChoice
from tui.command_line.streams import Streams
from tui.sanitize import TextCleaner, one_line

STATS_KEYS = (
    "engine",
    "model",
    "quantization",
    "prompt_tokens",
    "cached_tokens",
    "generated_tokens",
    "ttft_s",
    "prefill_s",
    "prefill_tps",
    "decode_tps",
    "effective_tps",
    "kv_cache_bytes",
    "kv_type",
    "peak_memory_bytes",
    "drafted_tokens",
    "accepted_tokens",
    "acceptance_rate",
    "bandwidth_ceiling_tps",
    "cache_reuse",
    "cache_note",
    "memory_note",
    "draft_counts",
    "accepted_per_step",
    "plain_decode_tps",
    "net_gain",
    "engine_choice",
)
_CLEAR_LINE = "\r\x1b[K"

ShownEvent = PrefillProgress | TextChunk | HistoryDropped | EngineChoice


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended.

    Args:
        reason: `stop`, `length`, `cancelled` or `error`.
        stats: None where it ended before the engine had begun.
    """

    reason: str
    stats: GenerationStats | None = None
    error: MessageError | None = None


class AnswerWriter(Protocol):
    def loading(self, event: LoadProgress | ModelLoaded) -> None: ...
    def show(self, event: ShownEvent) -> None: ...
    def finish(self, ending: Ending) -> None: ...


class PlainWriter:
    """The answer's text on standard output; progress on standard error where that is a terminal.

    Reasoning and tool calls are left out. A terminal gets no control characters of the model's.
    """

    def __init__(self, streams: Streams) -> None:
        self._out = streams.out
        self._progress = _ProgressLine(streams.err)
        self._cleaner = TextCleaner() if streams.out.isatty() else None
        self._ends_in_newline = True

    def loading(self, event: LoadProgress | ModelLoaded) -> None:
        if isinstance(event, LoadProgress):
            share = "" if event.fraction is None else f" {event.fraction:.0%}"
            self._progress.show(f"loading: {event.stage}{share}")
        else:
            for note in event.info.notes:
                self._progress.keep(f"llm-tui: {note}")

    def show(self, event: ShownEvent) -> None:
        match event:
            case PrefillProgress():
                self._progress.show(_prefill_line(event))
            case HistoryDropped():
                self._progress.keep(
                    f"llm-tui: the oldest {event.turns} turns no longer fit into the context"
                    " window and were left out."
                )
            case EngineChoice():
                self._progress.show(event.reason)
            case TextChunk(kind=TextKind.ANSWER):
                self._progress.clear()
                self._write(self._cleaner.clean(event.text) if self._cleaner else event.text)
            case TextChunk(kind=TextKind.REASONING):
                self._progress.show("reasoning…")

    def finish(self, ending: Ending) -> None:
        self._progress.clear()
        if self._cleaner:
            self._write(self._cleaner.flush())
        if not self._ends_in_newline:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._ends_in_newline = text.endswith("\n")


class JsonWriter:
    """One JSON object a line on standard output, each written at once."""

    def __init__(self, streams: Streams) -> None:
        self._out = streams.out
        self._last_load: tuple[str, int] | None = None

    def loading(self, event: LoadProgress | ModelLoaded) -> None:
        if isinstance(event, ModelLoaded):
            info = event.info
            loaded = {
                "engine": info.engine,
                "model": info.name,
                "memory_note": info.memory_note,
                "kv_note": info.kv_note,
            }
            self._write("load", stage="ready", fraction=1.0, load_s=event.load_s, **loaded)
            return
        step = (event.stage, -1 if event.fraction is None else int(event.fraction * 20))
        if step != self._last_load:
            self._last_load = step
            self._write("load", **asdict(event))

    def show(self, event: ShownEvent) -> None:
        match event:
            case PrefillProgress():
                self._write("prefill", **asdict(event), remaining_s=event.remaining_s)
            case HistoryDropped():
                self._write("history_dropped", turns=event.turns, tokens=event.tokens)
            case EngineChoice():
                self._write(
                    "engine_choice",
                    engine=event.engine,
                    by=event.by.value,
                    reason=event.reason,
                    predicted_s=dict(event.predicted_s),
                )
            case TextChunk():
                self._write(
                    "text",
                    text=event.text,
                    kind=event.kind.value,
                    tokens=event.token_count,
                    drafted=event.drafted_token_count,
                )

    def finish(self, ending: Ending) -> None:
        values: dict[str, Any] = {"reason": ending.reason, "stats": None}
        if ending.stats is not None:
            figures = ending.stats.to_json()
            values["stats"] = {key: figures[key] for key in STATS_KEYS}
        if ending.error is not None:
            values["error"] = asdict(ending.error)
        self._write("finished", **values)

    def _write(self, event: str, **values: Any) -> None:
        self._out.write(json.dumps({"event": event} | values) + "\n")
        self._out.flush()


class _ProgressLine:
    """One line on a terminal that is written over; nothing where there is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._is_shown = False

    def show(self, text: str) -> None:
        if self._is_terminal:
            self._stream.write(_CLEAR_LINE + one_line(text))
            self._stream.flush()
            self._is_shown = True

    def keep(self, text: str) -> None:
        """A line that stays, in a file as well."""
        self.clear()
        self._stream.write(text + "\n")
        self._stream.flush()

    def clear(self) -> None:
        if self._is_shown:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._is_shown = False


def _prefill_line(event: PrefillProgress) -> str:
    left = "" if event.remaining_s is None else f", {event.remaining_s:.0f} s left"
    return f"prefill: {event.done_tokens:,} of {event.prompt_tokens:,} tokens{left}"
