"""Which process an unfinished answer belongs to, and whether that process is still alive."""

from __future__ import annotations

import os
from functools import lru_cache

import psutil

_START_TOLERANCE_S = 2.0
"""Process start times are computed from the clock, which may be set while the process runs."""


def own_identity() -> str:
    """This process, as `pid@start` with the start in seconds since the epoch."""
    return _identity_of(os.getpid())


def is_alive(identity: str) -> bool:
    """False when the process has ended, even where its id was given to another one."""
    pid_text, _, start_text = identity.partition("@")
    try:
        pid, started_s = int(pid_text), float(start_text)
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - started_s) < _START_TOLERANCE_S
    except psutil.AccessDenied:
        return True
    except (ValueError, psutil.Error):
        return False


@lru_cache(maxsize=1)
def _identity_of(pid: int) -> str:
    return f"{pid}@{psutil.Process(pid).create_time():.2f}"
