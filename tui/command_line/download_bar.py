"""A download on standard error: a bar in a terminal, a line for each file elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tui.sanitize import one_line

if TYPE_CHECKING:
    from engines.model_files.download_progress import DownloadProgress


class DownloadBar:
    """Open while the download runs."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._file = ""
        self._note = ""

    def __enter__(self) -> DownloadBar:
        if sys.stderr.isatty():
            self._bar = _rich_bar()
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(self, progress: DownloadProgress) -> None:
        if self._bar is None:
            self._report_by_line(progress)
            return
        if self._task is None:
            self._task = self._bar.add_task("", total=progress.total_bytes or None)
        text = progress.note or f"{progress.stage.value} {progress.file}"
        self._bar.update(self._task, completed=progress.done_bytes, description=_short(text))

    def _report_by_line(self, progress: DownloadProgress) -> None:
        from engines.memory import size_text

        if progress.note and progress.note != self._note:
            click.echo(one_line(progress.note), err=True)
        if progress.file and progress.file != self._file:
            size = size_text(progress.file_bytes)
            click.echo(one_line(f"{progress.file} ({size})"), err=True)
        self._file, self._note = progress.file, progress.note


def _rich_bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= 44 else f"…{line[-43:]}"
