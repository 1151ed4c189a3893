"""Memory bandwidth in bytes read per second: from the vendor, from the driver, or measured.

Decode reads weights and writes next to nothing, so what counts is the read bandwidth. Vendors give
the peak of the memory bus, reads and writes together, which a reader can use for reads alone.
1 GB/s is 10⁹ bytes per second.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

GB = 1_000_000_000

_TRIES = 6
_TIME_LIMIT_S = 0.6


@dataclass(frozen=True, slots=True)
class MemoryBandwidth:
    """Bytes per second, and where the figure comes from: `vendor`, `driver` or `measured`."""

    bytes_per_s: float
    source: str


def measure_read_bandwidth(threads: int, buffer_bytes: int) -> float:
    """Bytes per second that `threads` threads together read from main memory.

    Each scans its share of one buffer for a byte that is not there (`memchr`), which reads every
    byte once and writes none, without the interpreter lock. The best of a few passes counts, since
    other work on the machine can only slow one down. Takes well under a second.

    Args:
        buffer_bytes: Should be several times the last-level cache.
    """
    memchr = ctypes.CDLL(None).memchr
    memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    memchr.restype = ctypes.c_void_p
    buffer = mmap.mmap(-1, buffer_bytes)  # filled without the interpreter lock, unlike bytearray
    start = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    ctypes.memset(start, 1, buffer_bytes)
    share = buffer_bytes // threads

    def scan(index: int) -> None:
        memchr(start + index * share, 0, share)

    best = 0.0
    deadline_s = time.perf_counter() + _TIME_LIMIT_S
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_TRIES):
            started_s = time.perf_counter()
            list(pool.map(scan, range(threads)))
            ended_s = time.perf_counter()
            best = max(best, threads * share / (ended_s - started_s))
            if ended_s > deadline_s:
                break
    return best


class BandwidthCache:
    """Measured figures on disk, by machine. A file that cannot be read or written is no error.

    Args:
        file: A JSON object: key of the machine → bytes per second.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def get_or_measure(self, key: str, measure: Callable[[], float]) -> float:
        known = self._read().get(key)
        return known if known else self.measure_again(key, measure)

    def measure_again(self, key: str, measure: Callable[[], float]) -> float:
        """Measure now; the best figure of this machine stays, since load only lowers it."""
        figures = self._read()
        figures[key] = max(figures.get(key, 0.0), measure())
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(".tmp")
            draft.write_text(json.dumps(figures, indent=1), encoding="utf-8")
            draft.replace(self._file)
        except OSError:
            pass
        return figures[key]

    def _read(self) -> dict[str, float]:
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(values, dict):
            return {}
        return {key: float(value) for key, value in values.items() if _is_figure(value)}


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
