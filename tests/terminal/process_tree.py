"""CPU time and memory of a process and all it started."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

import psutil

TREE_EVERY_S = 0.5


@dataclass
class ProcessTree:
    """Samples of a process tree over time. Times are `time.monotonic` seconds."""

    pid: int
    times_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_rss_bytes: int = 0
    _members: list[psutil.Process] = field(default_factory=list)
    _next_look_s: float = 0.0

    def sample(self, now_s: float) -> None:
        """Note the CPU seconds (user and system) used so far, and the memory."""
        if now_s >= self._next_look_s:
            self._members = self.members()
            self._next_look_s = now_s + TREE_EVERY_S
        cpu_s, rss_bytes = 0.0, 0
        for process in self._members:
            try:
                with process.oneshot():
                    used = process.cpu_times()
                    rss_bytes += process.memory_info().rss
            except psutil.Error:
                continue
            cpu_s += used.user + used.system + used.children_user + used.children_system
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss_bytes)
        self.times_s.append(now_s)
        self.cpu_s.append(max([cpu_s, *self.cpu_s[-1:]]))

    def cpu_at(self, time_s: float) -> float:
        """CPU seconds used until `time_s`, between samples by interpolation."""
        after = bisect.bisect_left(self.times_s, time_s)
        if after == 0:
            return 0.0
        if after == len(self.times_s):
            return self.cpu_s[-1]
        start_s, end_s = self.times_s[after - 1], self.times_s[after]
        share = (time_s - start_s) / max(1e-9, end_s - start_s)
        return self.cpu_s[after - 1] + share * (self.cpu_s[after] - self.cpu_s[after - 1])

    def members(self) -> list[psutil.Process]:
        """The process and its living descendants."""
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []
