"""The floor: as little of a Textual chat as can stream an answer, with stock widgets.

    python floor.py ANSWERS.json RATE [each | batch | plain]

`each` writes every token to a `MarkdownStream`, `batch` gathers 50 ms of tokens for a write, and
`plain` shows the text in a `Static`, with no Markdown at all. ANSWERS.json holds a list of answers,
each a list of tokens. Where the environment names a file in LLM_TUI_SCRIPT_TIMES, every answer adds
a line to it, as the scripted engine does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Input, Markdown, Static

BATCH_S = 0.05
STATIC_UPDATE_S = 0.03
PLACEHOLDER = "Ask anything"


class Floor(App[None]):
    """A scrolling log and an input."""

    CSS = """
    #log { height: 1fr; }
    .question { margin: 1 0; color: $accent; }
    """

    def __init__(self, answers: list[list[str]], rate_tps: float, style: str) -> None:
        super().__init__()
        self._answers = iter(answers)
        self._rate_tps = rate_tps
        self._style = style

    def compose(self) -> ComposeResult:
        yield VerticalScroll(id="log")
        yield Input(placeholder=PLACEHOLDER)

    def on_mount(self) -> None:
        self.query_one("#log").anchor()
        self.query_one(Input).focus()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        log = self.query_one("#log")
        question, event.input.value = event.value, ""
        await log.mount(Static(question, classes="question", markup=False))
        show = self._show_plain if self._style == "plain" else self._show_markdown
        self.run_worker(show(next(self._answers)), exclusive=True)

    async def _show_plain(self, tokens: list[str]) -> None:
        await self.query_one("#log").mount(widget := Static(markup=False))
        text, updated_s = "", 0.0
        async for token in stream(tokens, self._rate_tps):
            text += token
            if (now_s := time.monotonic()) - updated_s > STATIC_UPDATE_S:
                widget.update(text)
                updated_s = now_s
        widget.update(text)

    async def _show_markdown(self, tokens: list[str]) -> None:
        await self.query_one("#log").mount(widget := Markdown())
        batch_s = BATCH_S if self._style == "batch" else 0.0
        writer = Markdown.get_stream(widget)
        held, written_s = "", time.monotonic()
        async for token in stream(tokens, self._rate_tps):
            held += token
            if (now_s := time.monotonic()) - written_s >= batch_s:
                await writer.write(held)
                held, written_s = "", now_s
        await writer.write(held)
        await writer.stop()


async def stream(tokens: list[str], rate_tps: float) -> AsyncIterator[str]:
    """`tokens` at a mean rate; late ones are made up for."""
    times_s: list[float] = []
    started_s = time.monotonic()
    for count, token in enumerate(tokens, start=1):
        await asyncio.sleep(max(0.0, started_s + count / rate_tps - time.monotonic()))
        times_s.append(time.monotonic())
        yield token
    _note_times(times_s)


def _note_times(times_s: list[float]) -> None:
    if path := os.environ.get("LLM_TUI_SCRIPT_TIMES"):
        line = {"tokens": len(times_s), "first_token_s": times_s[0], "last_token_s": times_s[-1]}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    answers_file, rate, *style = sys.argv[1:]
    Floor(json.loads(Path(answers_file).read_text()), float(rate), *(style or ["each"])).run()
