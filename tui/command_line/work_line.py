"""Long work on standard error: one line that changes in a terminal, nothing elsewhere."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from tui.sanitize import one_line

if TYPE_CHECKING:
    from engines.events import LoadProgress

_CLEAR = "\r\x1b[K"


class WorkLine:
    """Open while the work goes on; the line is gone afterwards."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()

    def __enter__(self) -> WorkLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.show("")

    def report(self, progress: LoadProgress) -> None:
        percent = f"{progress.fraction:.0%} " if progress.fraction is not None else ""
        self.show(f"{percent}{progress.stage}")

    def show(self, text: str) -> None:
        if self._is_shown:
            columns = shutil.get_terminal_size().columns
            click.echo(_CLEAR + one_line(text)[: columns - 1], nl=False, err=True)
