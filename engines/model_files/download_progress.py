"""How far a download is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_WINDOW_S = 5.0
_BETWEEN_REPORTS_S = 0.1


class DownloadStage(StrEnum):
    STARTING = "starting"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """One report of a download.

    Args:
        file: Path in the repository of the file it is at.
        done_bytes: Of all files, those counted in that an earlier run downloaded.
        speed_bytes_per_s: Over the last seconds; None until it can be told.
        note: Why it waits, in a sentence; empty while it does not.
    """

    stage: DownloadStage
    file: str
    file_done_bytes: int
    file_bytes: int
    done_bytes: int
    total_bytes: int
    speed_bytes_per_s: float | None = None
    note: str = ""

    @property
    def remaining_s(self) -> float | None:
        """Seconds still needed at the speed of the last seconds."""
        if not self.speed_bytes_per_s:
            return None
        return max(0, self.total_bytes - self.done_bytes) / self.speed_bytes_per_s


Report = Callable[[DownloadProgress], None]


class DownloadMeter:
    """Counts bytes as they come and reports them, at most ten times a second.

    Args:
        total_bytes: Of all files.
        clock: Seconds that only grow.
    """

    def __init__(
        self, total_bytes: int, report: Report, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total_bytes = total_bytes
        self._report = report
        self._clock = clock
        self._finished_bytes = 0
        self._file = ""
        self._file_bytes = self._file_done_bytes = 0
        self._received_bytes = 0
        self._window: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._reported_s = float("-inf")

    def start_file(self, file: str, size_bytes: int) -> None:
        """Go on to the next file; the one before counts as complete."""
        self._finished_bytes += self._file_bytes
        self._file, self._file_bytes, self._file_done_bytes = file, size_bytes, 0

    def place(self, file_done_bytes: int) -> None:
        """Say how much of the file is on disk, without it having been received now."""
        self._file_done_bytes = file_done_bytes

    def receive(self, size_bytes: int) -> None:
        self._file_done_bytes += size_bytes
        self._received_bytes += size_bytes
        if self._clock() - self._reported_s >= _BETWEEN_REPORTS_S:
            self.report(DownloadStage.DOWNLOADING)

    def report(self, stage: DownloadStage, note: str = "") -> None:
        self._reported_s = self._clock()
        done_bytes = self._finished_bytes + self._file_done_bytes
        self._report(
            DownloadProgress(
                stage,
                self._file,
                self._file_done_bytes,
                self._file_bytes,
                min(done_bytes, self.total_bytes),
                self.total_bytes,
                self._speed() if stage is DownloadStage.DOWNLOADING else None,
                note,
            )
        )

    def _speed(self) -> float | None:
        now_s = self._clock()
        self._window.append((now_s, self._received_bytes))
        while len(self._window) > 2 and now_s - self._window[0][0] > _WINDOW_S:
            self._window.popleft()
        since_s, before = self._window[0]
        passed_s = now_s - since_s
        return (self._received_bytes - before) / passed_s if passed_s > 0 else None
