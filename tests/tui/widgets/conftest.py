"""An app with nothing but a transcript and an input."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import Input

import tui
from tui.lean_screen import LeanScreen
from tui.widgets.transcript_view import TranscriptView


class TranscriptApp(App[None]):
    CSS_PATH = Path(tui.__file__).parent / "widgets" / "transcript.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[TranscriptView.OlderRequested | TranscriptView.CopyRequested] = []

    def get_default_screen(self) -> Screen[object]:
        return LeanScreen(id="_default")

    def compose(self) -> ComposeResult:
        yield TranscriptView()
        yield Input()

    @property
    def view(self) -> TranscriptView:
        return self.query_one(TranscriptView)

    def on_transcript_view_older_requested(self, event: TranscriptView.OlderRequested) -> None:
        self.requests.append(event)

    def on_transcript_view_copy_requested(self, event: TranscriptView.CopyRequested) -> None:
        self.requests.append(event)


@pytest.fixture
def transcript_app() -> TranscriptApp:
    return TranscriptApp()
