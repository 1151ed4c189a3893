"""Copying goes through the terminal, and through the system only where the reader sits at it."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from textual.app import App

from tui.clipboard import COPIED, SENT, copy_text, tmux_passthrough


class RecordingApp(App[object]):
    copied = ""

    def copy_to_clipboard(self, text: str) -> None:
        self.copied = text


def install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path with nothing but the programs that a test puts there."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("sys.platform", "darwin")
    install(tmp_path, "pbcopy", f"cat > {tmp_path}/pasteboard")
    install(tmp_path, "tmux", 'case "$1" in show) echo off;; *) echo "$TMUX_ANSWER";; esac')
    return tmp_path


def test_local_terminal_uses_both(programs: Path) -> None:
    app = RecordingApp()
    assert copy_text(app, "text é", {}) == COPIED
    assert app.copied == "text é"
    assert (programs / "pasteboard").read_text() == "text é"


def test_remote_session_only_asks_the_terminal(programs: Path) -> None:
    app = RecordingApp()
    assert copy_text(app, "text", {"SSH_CONNECTION": "a b"}) == SENT
    assert app.copied == "text"
    assert not (programs / "pasteboard").exists()


@pytest.mark.parametrize(
    ("answer", "outcome"), [("SSH_CONNECTION=1 2 3 4", SENT), ("-SSH_CONNECTION", COPIED)]
)
def test_tmux_knows_where_its_client_is(
    programs: Path, monkeypatch: pytest.MonkeyPatch, answer: str, outcome: str
) -> None:
    monkeypatch.setenv("TMUX_ANSWER", answer)
    assert copy_text(RecordingApp(), "text", {"TMUX": "x", "SSH_TTY": "/dev/pts/1"}) == outcome


def test_failing_program_is_not_called_copied(programs: Path) -> None:
    install(programs, "pbcopy", "exit 1")
    assert copy_text(RecordingApp(), "text", {}) == SENT


def test_tmux_passthrough_doubles_the_escape() -> None:
    sequence = tmux_passthrough("é")
    assert sequence.startswith("\x1bPtmux;\x1b\x1b]52;c;")
    assert base64.b64decode(sequence.split(";")[-1].removesuffix("\x07\x1b\\")) == "é".encode()
