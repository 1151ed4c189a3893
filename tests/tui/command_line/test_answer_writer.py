from __future__ import annotations

import io
import json

from conversation.context_window import HistoryDropped
from engines.events import LoadProgress, ModelLoaded, PrefillProgress, TextChunk, TextKind
from engines.types import ModelInfo
from profiles.routing import ChosenBy, EngineChoice
from tui.command_line.answer_writer import Ending, JsonWriter, PlainWriter
from tui.command_line.streams import Streams


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answer(text: str) -> TextChunk:
    return TextChunk(text, TextKind.ANSWER, 1)


def test_a_file_gets_the_text_as_it_is_and_no_progress() -> None:
    streams = Streams(io.StringIO(), io.StringIO())
    writer = PlainWriter(streams)
    writer.loading(LoadProgress("reading the weights", 0.5))
    writer.show(PrefillProgress(10, 20, 0, 1.0))
    writer.show(TextChunk("hm", TextKind.REASONING, 1))
    writer.show(answer("\x1b[31mred"))
    writer.finish(Ending("stop"))
    assert streams.out.getvalue() == "\x1b[31mred\n"  # type: ignore[attr-defined]
    assert streams.err.getvalue() == ""  # type: ignore[attr-defined]


def test_a_terminal_gets_no_control_characters_even_in_pieces() -> None:
    out = Terminal()
    writer = PlainWriter(Streams(out, io.StringIO()))
    for piece in ("a\x1b", "]0;title\x07b", "\x1b[2", "Jc\r\x08", "\u202e"):
        writer.show(answer(piece))
    writer.finish(Ending("stop"))
    assert out.getvalue() == "abc\ufffd\n"


def test_progress_is_written_over_and_gone_before_the_answer() -> None:
    err = Terminal()
    writer = PlainWriter(Streams(io.StringIO(), err))
    writer.loading(LoadProgress("reading the weights", 0.5))
    writer.show(PrefillProgress(500, 2000, 0, 1.0))
    writer.show(answer("Hello"))
    writer.finish(Ending("stop"))
    assert "loading: reading the weights 50%" in err.getvalue()
    assert "prefill: 500 of 2,000 tokens, 3 s left" in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[K")
    assert "\n" not in err.getvalue()


def test_left_out_history_is_told_in_a_file_too() -> None:
    err = io.StringIO()
    PlainWriter(Streams(io.StringIO(), err)).show(HistoryDropped(3, 900, 2048))
    assert err.getvalue().startswith("llm-tui: the oldest 3 turns")


def test_json_reports_a_long_load_in_steps() -> None:
    out = io.StringIO()
    writer = JsonWriter(Streams(out, io.StringIO()))
    for number in range(1000):
        writer.loading(LoadProgress("reading the weights", number / 1000))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 20
    assert lines[10] == {"event": "load", "stage": "reading the weights", "fraction": 0.5}


def test_the_choice_of_the_engine_is_an_event() -> None:
    out = io.StringIO()
    times_s = (("mlx", 6.1), ("llama.cpp", 7.9))
    JsonWriter(Streams(out, io.StringIO())).show(
        EngineChoice("mlx", ChosenBy.MEASURED, "MLX: 6.1 s", times_s, is_change=True)
    )
    assert json.loads(out.getvalue()) == {
        "event": "engine_choice",
        "engine": "mlx",
        "by": "measurements",
        "reason": "MLX: 6.1 s",
        "predicted_s": {"mlx": 6.1, "llama.cpp": 7.9},
    }


def test_json_survives_any_text() -> None:
    out = io.StringIO()
    text = "\ud800 \u2028 \x1b[0m \0 é 👍"
    JsonWriter(Streams(out, io.StringIO())).show(answer(text))
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue())["text"] == text


def info(kv_type: str, window_tokens: int) -> ModelInfo:
    return ModelInfo(
        "m", "mlx", "qwen3", "Q8_0", None, 1, window_tokens, kv_type, 1, "", "", "", "",
        memory_note="To fit, it is smaller.",
    )  # fmt: skip


def test_what_a_loaded_model_has_to_say_is_told_once() -> None:
    err = io.StringIO()
    PlainWriter(Streams(io.StringIO(), err)).loading(ModelLoaded(info("q4_0", 8192), 1.0))
    memory, kv_type = err.getvalue().splitlines()
    assert memory == "llm-tui: To fit, it is smaller."
    assert "q4_0" in kv_type and "long contexts" in kv_type and "q8_0" in kv_type
    assert info("q4_0", 4096).kv_note == info("q8_0", 32_768).kv_note == ""
