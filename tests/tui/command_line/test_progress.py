"""Downloads and conversions as standard error shows them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from engines.events import LoadProgress
from engines.model_files.download_progress import DownloadProgress, DownloadStage
from tui.command_line.download_bar import DownloadBar
from tui.command_line.work_line import WorkLine

Run = Callable[..., Result]
MIB = 2**20


def make_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def progress(done: int, stage: DownloadStage, note: str = "") -> DownloadProgress:
    return DownloadProgress(stage, "m.gguf", done, 4 * MIB, done, 4 * MIB, 1e6, note)


def test_a_bar_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_terminal(monkeypatch)
    with DownloadBar() as bar:
        bar.report(progress(MIB, DownloadStage.DOWNLOADING))
        bar.report(progress(2 * MIB, DownloadStage.WAITING, "\x1b[31mThe hub asks to wait."))
        bar.report(progress(4 * MIB, DownloadStage.DONE))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "done m.gguf" in shown.err and "4.0/4.0 MiB" in shown.err


def test_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with DownloadBar() as bar:
        for done in (1, 2, 3):
            bar.report(progress(done * MIB, DownloadStage.DOWNLOADING))
        bar.report(progress(3 * MIB, DownloadStage.WAITING, "The connection was cut."))
        bar.report(progress(3 * MIB, DownloadStage.WAITING, "The connection was cut."))
    assert capsys.readouterr().err.splitlines() == ["m.gguf (4 MiB)", "The connection was cut."]


def test_a_line_of_work_is_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_terminal(monkeypatch)
    with WorkLine() as line:
        line.report(LoadProgress("layer 1 of 2", 0.5))
    assert capsys.readouterr().err == "\r\x1b[K50% layer 1 of 2\r\x1b[K"


@pytest.mark.parametrize(
    ("arguments", "function", "said"),
    [
        (("pull", "org/x"), "download.download", "goes on from here"),
        (("convert", "demo:draft", "--to", "mlx"), "convert.convert", "nothing was written"),
    ],
)
def test_an_interrupt_is_no_failure(
    run: Run,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    function: str,
    said: str,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"engines.model_files.{function}", interrupt)
    result = run("models", *arguments)
    assert (result.exit_code, result.stdout) == (130, "")
    assert said in result.stderr
