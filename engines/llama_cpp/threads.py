"""How many CPU threads llama.cpp may have beside a user interface."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class ThreadCounts:
    decode: int
    prefill: int


def choose_thread_counts() -> ThreadCounts:
    """One core stays free for the interface.

    The library's threads wait for each other in every layer by spinning. A thread whose core is
    taken away holds up all of them: with one too many, decode was measured at a fifth of its speed
    and less.
    """
    count = max(1, usable_cores() - 1)
    return ThreadCounts(decode=count, prefill=count)


def usable_cores() -> int:
    """Physical cores this process may keep busy: its affinity and its container's share."""
    counts = [psutil.cpu_count(logical=False) or os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        counts.append(len(os.sched_getaffinity(0)))
    counts.append(_quota_cores(_CPU_QUOTA) or counts[0])
    return max(1, min(counts))


def _quota_cores(path: Path) -> int | None:
    """Whole cores of a container's CPU quota, `<µs per period> <period µs>`."""
    try:
        quota_us, period_us = path.read_text().split()
        return max(1, int(quota_us) // int(period_us))
    except (OSError, ValueError, ZeroDivisionError):  # no container, or no limit ("max")
        return None
