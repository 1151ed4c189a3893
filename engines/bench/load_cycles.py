"""Whether unloading a model gives its memory back."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import psutil

from engines.bench.filler_text import OPENING
from engines.bench.workbench import Workbench
from engines.types import LoadRequest

_SETTLED_AFTER = 2
"""Cycles after which a library has allocated what it keeps for good."""


@dataclass(frozen=True, slots=True)
class RssGrowth:
    """Resident bytes of the process after each load, use and unload; at least three of them."""

    rss_bytes: tuple[int, ...]

    @property
    def growth(self) -> float | None:
        """Growth from the second cycle to the last, as a share of it."""
        if len(self.rss_bytes) <= _SETTLED_AFTER:
            return None
        start = self.rss_bytes[_SETTLED_AFTER - 1]
        return (self.rss_bytes[-1] - start) / start

    def to_json(self) -> dict[str, Any]:
        return {"growth": self.growth, "cycles": len(self.rss_bytes), "rss_bytes": self.rss_bytes}


def measure_load_cycles(request: LoadRequest, cycles: int) -> RssGrowth:
    """Load the model, let it write a few tokens and unload it, `cycles` times."""
    process, sizes = psutil.Process(), list[int]()
    for _ in range(cycles):
        with Workbench(request) as bench:
            bench.run_ours(bench.encode(OPENING), 8)
        gc.collect()
        sizes.append(process.memory_info().rss)
    return RssGrowth(tuple(sizes))
