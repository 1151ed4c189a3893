"""Downloads that go on whatever is on the screen.

downloads = Downloads(fetch)
downloads.start("org/repo:Q4_K_M")      goes on where an earlier one stopped
downloads.get("org/repo:Q4_K_M")        how far it is, or how it ended
downloads.stop("org/repo:Q4_K_M")       what has come is kept
downloads.take_ended()                  each ended one, once
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from engines.errors import ExplainedError
from engines.model_files.download_progress import DownloadProgress
from tui.models.row import gb_text
from tui.models.sources import Fetch
from tui.sanitize import one_line

log = logging.getLogger(__name__)


class DownloadState(StrEnum):
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Download:
    """One download as it stands.

    Args:
        error, hint: What went wrong and what to do next; empty where nothing did.
        path: The model, once it is there.
    """

    reference: str
    state: DownloadState = DownloadState.RUNNING
    progress: DownloadProgress | None = None
    error: str = ""
    hint: str = ""
    path: Path | None = None

    @property
    def is_active(self) -> bool:
        return self.state in (DownloadState.RUNNING, DownloadState.STOPPING)


class Downloads:
    """Each download has a thread of its own, which ends with the program; any thread may ask."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._downloads: dict[str, Download] = {}
        self._cancels: dict[str, threading.Event] = {}
        self._ended: list[Download] = []
        self._lock = threading.Lock()

    def get(self, reference: str) -> Download | None:
        return self._downloads.get(reference)

    @property
    def active(self) -> list[Download]:
        return [download for download in list(self._downloads.values()) if download.is_active]

    def start(self, reference: str) -> None:
        """Begin, or go on; nothing where it runs."""
        with self._lock:
            known = self._downloads.get(reference)
            if known is not None and known.is_active:
                return
            cancel = self._cancels[reference] = threading.Event()
            self._downloads[reference] = Download(reference)
        threading.Thread(
            target=self._run, args=(reference, cancel), name="download", daemon=True
        ).start()

    def stop(self, reference: str) -> bool:
        """Stop it at the next piece that comes; False where it does not run."""
        with self._lock:
            known = self._downloads.get(reference)
            if known is None or not known.is_active:
                return False
            self._downloads[reference] = replace(known, state=DownloadState.STOPPING)
            self._cancels[reference].set()
        return True

    def take_ended(self) -> list[Download]:
        """Those that ended since the last call."""
        with self._lock:
            ended, self._ended = self._ended, []
        return ended

    def _run(self, reference: str, cancel: threading.Event) -> None:
        def report(progress: DownloadProgress) -> None:
            with self._lock:
                self._downloads[reference] = replace(self._downloads[reference], progress=progress)

        try:
            path = self._fetch(reference, report, cancel.is_set)
        except ExplainedError as error:
            self._end(reference, DownloadState.FAILED, error=error.message, hint=error.hint)
        except Exception as error:  # whatever it is, the interface has to say that it stopped
            log.exception("the download of %s failed", reference)
            self._end(
                reference,
                DownloadState.FAILED,
                error=f"The download failed: {error}.",
                hint="Start it again; it goes on from here. The log has more.",
            )
        else:
            state = DownloadState.STOPPED if path is None else DownloadState.DONE
            self._end(reference, state, path=path)

    def _end(
        self,
        reference: str,
        state: DownloadState,
        error: str = "",
        hint: str = "",
        path: Path | None = None,
    ) -> None:
        with self._lock:
            ended = replace(
                self._downloads[reference],
                state=state,
                error=one_line(error),
                hint=one_line(hint),
                path=path,
            )
            self._downloads[reference] = ended
            self._ended.append(ended)


def download_text(download: Download) -> str:
    """`34 % of 8.5 GB · 12.1 MB/s · 7 min left`, or how it ended."""
    progress = download.progress
    match download.state:
        case DownloadState.DONE:
            return "downloaded"
        case DownloadState.FAILED:
            return "failed"
        case DownloadState.STOPPING:
            return "stopping"
        case DownloadState.STOPPED:
            return f"stopped{_share(progress, ' at ')}"
    if progress is None or not progress.total_bytes:
        return "asking the hub"
    if progress.note:
        return one_line(progress.note)
    parts = [f"{_share(progress)} of {gb_text(progress.total_bytes)}"]
    if progress.speed_bytes_per_s:
        parts.append(f"{progress.speed_bytes_per_s / 1e6:,.1f} MB/s")
    if progress.remaining_s is not None:
        parts.append(f"{duration_text(progress.remaining_s)} left")
    if len(parts) == 1:
        parts.append(progress.stage.value)
    return " · ".join(parts)


def duration_text(seconds: float) -> str:
    """`40 s`, `7 min`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _share(progress: DownloadProgress | None, before: str = "") -> str:
    if progress is None or not progress.total_bytes:
        return ""
    return f"{before}{progress.done_bytes / progress.total_bytes:.0%}".replace("%", " %")
