"""How the app ends when nobody asked it to."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from pathlib import Path

from textual.app import App

from engines.errors import ExplainedError

LEAVE_WITHIN_S = 5.0

log = logging.getLogger(__name__)


class UnexpectedEnd(ExplainedError):
    """The app ended on an error of its own; the traceback is in the log."""

    def __init__(self, log_file: Path) -> None:
        super().__init__(
            "The app ended on an unexpected error; your conversations are saved.",
            f"The details are in {log_file}.",
        )


def leave_on_signals(app: App[None]) -> None:
    """End the app on SIGTERM and SIGHUP as a quit does, and at any rate within five seconds."""
    try:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _leave, app, 128 + number)
    except (NotImplementedError, ValueError, RuntimeError):
        log.debug("signals cannot be handled on this thread")


def _leave(app: App[None], code: int) -> None:
    app.exit(return_code=code)
    stuck = threading.Timer(LEAVE_WITHIN_S, os._exit, (code,))  # a dead terminal can block
    stuck.daemon = True
    stuck.start()
