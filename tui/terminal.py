"""Keeps the terminal for Textual alone: what C libraries print goes to the log file."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

LOG_BYTES = 1_000_000
STDOUT, STDERR = 1, 2


@contextmanager
def terminal_for_textual(log_file: Path) -> Iterator[None]:
    """Send fds 1 and 2 to `log_file`; Textual's driver keeps the terminal.

    The driver draws on `sys.__stderr__` and asks `sys.__stdout__` for the size: both lead to the
    terminal, also where one of them was redirected. On the way out everything is as it was, so
    that errors print normally.
    """
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    log_fd = _open_log(log_file)
    try:
        with ExitStack() as streams:
            only_stdout = os.isatty(STDOUT) and not os.isatty(STDERR)
            terminal_fd = os.dup(STDOUT if only_stdout else STDERR)
            streams.callback(os.close, terminal_fd)
            streams.enter_context(_moved(STDOUT, "__stdout__", terminal_fd, log_fd))
            streams.enter_context(_moved(STDERR, "__stderr__", terminal_fd, log_fd))
            yield
    finally:
        os.close(log_fd)


@contextmanager
def _moved(descriptor: int, name: str, terminal_fd: int, log_fd: int) -> Iterator[None]:
    """Lead `sys`'s stream of that name to the terminal, and its descriptor to the log."""
    original = getattr(sys, name)
    original.flush()
    original_fd = os.dup(descriptor)
    own = os.fdopen(os.dup(terminal_fd), "w", encoding="utf-8", errors="replace")
    os.dup2(log_fd, descriptor)
    setattr(sys, name, own)
    try:
        yield
    finally:
        original.flush()
        setattr(sys, name, original)
        os.dup2(original_fd, descriptor)
        os.close(original_fd)
        _close(own)


def _close(stream: TextIO) -> None:
    try:
        stream.close()
    except OSError:
        logging.getLogger(__name__).debug("the terminal is gone")


def _open_log(log_file: Path) -> int:
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def log_to_file(log_file: Path, debug: bool = False) -> None:
    """Send the log records of the whole process to `log_file`, at most two files of 1 MB."""
    handler: logging.Handler
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            log_file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
