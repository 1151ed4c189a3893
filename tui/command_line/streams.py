"""Standard output and standard error, kept for this program's own words.

C libraries and imported packages print on file descriptors 1 and 2 as they like. While
`own_streams` is open, that goes to the log file, and only what is written to `Streams` comes out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

STDOUT, STDERR = 1, 2


@dataclass(frozen=True, slots=True)
class Streams:
    """Where the answer (`out`) and everything else (`err`) goes."""

    out: TextIO
    err: TextIO


@contextmanager
def own_streams(log_file: Path, keep_stderr: bool = False) -> Iterator[Streams]:
    """The program's own streams; both descriptors are as they were on the way out.

    Args:
        log_file: Takes what others print; where it cannot be written, that is lost.
        keep_stderr: Let what others print on standard error come out as well.
    """
    python_out, python_err = sys.__stdout__, sys.__stderr__
    is_ours = sys.stdout is python_out and sys.stderr is python_err
    if python_out is None or python_err is None or not is_ours:
        yield Streams(sys.stdout, sys.stderr)  # a caller in this process collects the output
        return
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    python_out.flush()
    python_err.flush()
    own_fds = (os.dup(STDOUT), os.dup(STDERR))
    out = os.fdopen(own_fds[0], "w", encoding=python_out.encoding, errors="replace", closefd=False)
    err = os.fdopen(own_fds[1], "w", encoding=python_err.encoding, errors="replace", closefd=False)
    log_fd = _open_log(log_file)
    os.dup2(log_fd, STDOUT)
    if not keep_stderr:
        os.dup2(log_fd, STDERR)
    os.close(log_fd)
    try:
        yield Streams(out, err)
    finally:
        python_out.flush()
        python_err.flush()
        for descriptor, own_fd, stream in zip((STDOUT, STDERR), own_fds, (out, err), strict=True):
            os.dup2(own_fd, descriptor)
            _close(stream)
            os.close(own_fd)


def _close(stream: TextIO) -> None:
    with suppress(BrokenPipeError):
        stream.close()


def _open_log(log_file: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log_file, flags, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
