"""Downloads a model into the Hugging Face cache, where every other program finds it as well.

Files go to `blobs/CHECKSUM.incomplete` first and stay there when a download stops, so that the next
one goes on; the snapshot links to a file once it is complete and checked. Files come over plain
HTTP from the hub or its mirror alone: the library's own downloader asks a second service (Xet),
keeps nothing of a download that was stopped, and checks no checksum.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.base import Cancelled
from engines.errors import DownloadError
from engines.memory import size_text
from engines.model_files.download_progress import DownloadMeter, DownloadStage, Report
from engines.model_files.finding.hugging_face import repository_folder
from engines.model_files.finding.places import hugging_face_cache
from engines.model_files.hub import Hub, import_hub
from engines.model_files.hub_errors import explained
from engines.model_files.hub_file import FileTransfer
from engines.model_files.reference import ModelReference, ReferenceKind
from engines.model_files.repository_files import Repository, RepositoryFile, choose_files

_SPARE_BYTES = 256 * 2**20
_LOCK_S = 5.0


@dataclass(frozen=True)
class DownloadTarget:
    """Where to fetch from and where to put it; every part can be replaced in a test.

    Args:
        cache: The Hugging Face cache.
        free_bytes: Room on the disk of a folder.
    """

    hub: Hub
    cache: Path
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    sleep: Callable[[float], None] = time.sleep


def download(
    reference: str,
    report: Report,
    cancelled: Cancelled,
    target: DownloadTarget | None = None,
) -> Path | None:
    """Fetch `REPO` or `REPO:QUANT`; what is there already is not fetched again.

    Returns:
        The GGUF file or model folder, or None where it was cancelled; the next call goes on.

    Raises:
        ModelNotFound: there is no such repository or quantization.
        DownloadError: access is refused, the hub cannot be reached, the disk is full, a file
            arrived damaged.
    """
    target = target or DownloadTarget(Hub(), hugging_face_cache())
    named = ModelReference.parse(reference)
    if named.kind is not ReferenceKind.REPOSITORY:
        raise DownloadError(
            f"{reference} is not a repository of a model hub.",
            "Write it as ORGANIZATION/NAME or ORGANIZATION/NAME:QUANTIZATION.",
        )
    with explained(target.hub, named.name):
        repository = target.hub.read_repository(named.name)
        files = choose_files(repository, named.quantization)
        return _Download(target, repository, files, report, cancelled).run()


@dataclass
class _Download:
    target: DownloadTarget
    repository: Repository
    files: Sequence[RepositoryFile]
    report: Report
    cancelled: Cancelled

    def run(self) -> Path | None:
        meter = DownloadMeter(sum(file.size_bytes for file in self.files), self.report)
        meter.report(DownloadStage.STARTING)
        self.blobs.mkdir(parents=True, exist_ok=True)
        self._check_space()
        for file in self.files:
            meter.start_file(file.path, file.size_bytes)
            if not self._fetch(file, meter):
                return None
            meter.place(file.size_bytes)
            self._link(file)
        self._write_ref()
        meter.report(DownloadStage.DONE)
        first = self.snapshot / self.files[0].path
        return first if first.suffix.lower() == ".gguf" else self.snapshot

    @property
    def folder(self) -> Path:
        return repository_folder(self.target.cache, self.repository.name)

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    @property
    def snapshot(self) -> Path:
        return self.folder / "snapshots" / self.repository.commit

    def _check_space(self) -> None:
        missing_bytes = sum(file.size_bytes - self._stored_bytes(file) for file in self.files)
        free_bytes = self.target.free_bytes(self.blobs)
        if missing_bytes and missing_bytes + _SPARE_BYTES > free_bytes:
            raise DownloadError(
                f"{self.repository.name} takes {size_text(missing_bytes)} more and"
                f" {size_text(free_bytes)} are free on its disk.",
                "Free some space, choose a smaller quantization, or set HF_HOME to another disk.",
            )

    def _stored_bytes(self, file: RepositoryFile) -> int:
        for path in (self.blobs / file.checksum, self._partial(file)):
            if path.exists():
                return min(file.size_bytes, path.stat().st_size)
        return 0

    def _fetch(self, file: RepositoryFile, meter: DownloadMeter) -> bool:
        """True once the blob is there; False where the download was cancelled."""
        blob = self.blobs / file.checksum
        with self._locked(file):
            if blob.exists() and blob.stat().st_size == file.size_bytes:
                return not self.cancelled()
            transfer = FileTransfer(
                self.target.hub,
                self.repository,
                file,
                self._partial(file),
                meter,
                self.cancelled,
                self.target.sleep,
            )
            if not file.size_bytes:
                self._partial(file).touch()
            if not transfer.run():
                return False
            self._partial(file).replace(blob)
        return True

    def _locked(self, file: RepositoryFile) -> _OtherDownload:
        return _OtherDownload(
            self.target.cache / ".locks" / self.folder.name / f"{file.checksum}.lock", file
        )

    def _link(self, file: RepositoryFile) -> None:
        blob, link = self.blobs / file.checksum, self.snapshot / file.path
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.exists():
            return
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(os.path.relpath(blob, link.parent))
        except OSError:  # a disk without links
            shutil.copyfile(blob, link)

    def _write_ref(self) -> None:
        """Last, so that `main` never means a snapshot that is not complete."""
        ref = self.folder / "refs" / "main"
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(self.repository.commit, encoding="utf-8")

    def _partial(self, file: RepositoryFile) -> Path:
        return self.blobs / f"{file.checksum}.incomplete"


class _OtherDownload:
    """Keeps two programs from writing one file, by the lock that huggingface_hub takes as well."""

    def __init__(self, lock_file: Path, file: RepositoryFile) -> None:
        self._lock_file = lock_file
        self._file = file

    def __enter__(self) -> None:
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = import_hub("huggingface_hub.utils").WeakFileLock(self._lock_file, timeout=_LOCK_S)
        try:
            lock.__enter__()
        except TimeoutError as error:
            raise DownloadError(
                f"Another program is downloading {self._file.path}.", "Wait for it to finish."
            ) from error
        self._lock = lock

    def __exit__(self, *_: object) -> None:
        self._lock.__exit__(None, None, None)
