"""Fetches one file of the hub: goes on after a cut, waits where asked to, checks the contents."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.base import Cancelled
from engines.errors import DownloadError
from engines.model_files.download_progress import DownloadMeter, DownloadStage
from engines.model_files.hub import Hub, import_hub
from engines.model_files.hub_errors import asked_wait_s, explain_status, unreachable
from engines.model_files.repository_files import Repository, RepositoryFile

MAX_FAILURES = 6
"""In a row, without a byte in between."""

_SILENCE_S = 20.0
_LONGEST_WAIT_S = 300.0
_LOOK_S = 0.1
_READ_BYTES = 2**20
_TRANSIENT = (408, 429, 500, 502, 503, 504)


class _TryAgain(Exception):
    """A failure that may pass; `wait_s` is what the hub asks for."""

    def __init__(self, reason: str, error: DownloadError, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.error = error
        self.wait_s = wait_s


@dataclass
class FileTransfer:
    """One file on its way to `partial`, which may hold the beginning of it already.

    Args:
        sleep: Waits so many seconds.
    """

    hub: Hub
    repository: Repository
    file: RepositoryFile
    partial: Path
    meter: DownloadMeter
    cancelled: Cancelled
    sleep: Callable[[float], None] = time.sleep
    _digest: Any = field(init=False)

    def run(self) -> bool:
        """True once `partial` is the file, checked; False where it was cancelled.

        Raises:
            DownloadError, ModelNotFound: the hub refuses, or fails `MAX_FAILURES` times in a row.
            OSError: the disk is full, or cannot be written.
        """
        self._take_up()
        failures = 0
        while (done_bytes := self._done_bytes()) < self.file.size_bytes:
            try:
                if not self._receive(done_bytes):
                    return False
            except _TryAgain as failure:
                failures = 1 if self._done_bytes() > done_bytes else failures + 1
                if failures >= MAX_FAILURES:
                    raise failure.error from failure
                if not self._wait(failure, failures):
                    return False
        self.meter.report(DownloadStage.CHECKING)
        self._check()
        return True

    def _take_up(self) -> None:
        """Read what an earlier run has left, for the checksum."""
        self._restart_digest()
        if not self.partial.exists():
            return
        if self.partial.stat().st_size > self.file.size_bytes:
            self.partial.unlink()
            return
        self.meter.place(self._done_bytes())
        self.meter.report(DownloadStage.CHECKING)
        with self.partial.open("rb") as file:
            while block := file.read(_READ_BYTES):
                self._digest.update(block)

    def _receive(self, done_bytes: int) -> bool:
        """One request, from `done_bytes` on; False where it was cancelled in between."""
        import httpx2

        session = import_hub().get_session()
        headers = self.hub.headers() | ({"range": f"bytes={done_bytes}-"} if done_bytes else {})
        url = self.hub.file_url(self.repository, self.file)
        try:
            with session.stream("GET", url, headers=headers, timeout=_SILENCE_S) as response:
                self._check_status(response)
                if done_bytes and not self._goes_on_at(response, done_bytes):
                    self._start_over()
                return self._write(response)
        except httpx2.TransportError as error:
            failure = unreachable(self.hub, error)
            raise _TryAgain("The connection was cut", failure) from error

    def _write(self, response: Any) -> bool:
        with self.partial.open("ab") as file:
            left_bytes = self.file.size_bytes - file.tell()
            for block in response.iter_bytes():
                if len(block) > left_bytes:
                    raise self._damaged("is longer than the hub said")
                file.write(block)
                self._digest.update(block)
                left_bytes -= len(block)
                self.meter.receive(len(block))
                if self.cancelled():
                    return False
        if left_bytes:
            raise _TryAgain("The connection was cut", self._damaged("came incomplete"))
        return True

    def _check_status(self, response: Any) -> None:
        status = response.status_code
        if status == 416:  # what is there is not a beginning of the file
            self._start_over()
            raise _TryAgain("The file is fetched anew", self._damaged("cannot be continued"))
        if status < 400:
            return
        error = explain_status(self.hub, self.repository.name, response)
        if status in _TRANSIENT and isinstance(error, DownloadError):
            reason = "The hub asks to wait" if status == 429 else f"The hub has error {status}"
            raise _TryAgain(reason, error, asked_wait_s(response))
        raise error

    def _goes_on_at(self, response: Any, done_bytes: int) -> bool:
        place = response.headers.get("Content-Range", "")
        return bool(response.status_code == 206 and place.startswith(f"bytes {done_bytes}-"))

    def _wait(self, failure: _TryAgain, failures: int) -> bool:
        """Longer each time, or as long as the hub asks; False where it was cancelled."""
        wait_s = failure.wait_s if failure.wait_s is not None else 2.0 ** (failures - 1)
        if wait_s > _LONGEST_WAIT_S:
            raise failure.error from failure
        while wait_s > 0:
            self.meter.report(DownloadStage.WAITING, f"{failure}; going on in {wait_s:.0f} s.")
            pause_s = min(1.0, wait_s)
            for _ in range(max(1, round(pause_s / _LOOK_S))):
                if self.cancelled():
                    return False
                self.sleep(pause_s / max(1, round(pause_s / _LOOK_S)))
            wait_s -= pause_s
        return True

    def _check(self) -> None:
        if self._digest.hexdigest() == self.file.checksum:
            return
        self.partial.unlink(missing_ok=True)
        raise self._damaged("does not have the contents that the hub promised (checksum)")

    def _start_over(self) -> None:
        self.partial.unlink(missing_ok=True)
        self._restart_digest()
        self.meter.place(0)

    def _restart_digest(self) -> None:
        """Git's SHA-1 of a small file begins with its length."""
        if len(self.file.checksum) == 64:
            self._digest = hashlib.sha256()
        else:
            start = f"blob {self.file.size_bytes}\0".encode()
            self._digest = hashlib.sha1(start, usedforsecurity=False)

    def _done_bytes(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _damaged(self, what: str) -> DownloadError:
        return DownloadError(f"{self.file.path} {what}.", "Download it again.")
