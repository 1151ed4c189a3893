"""Whether unloading a model gives its memory back."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from engines.bench.filler_text import OPENING
from engines.bench.workbench import Workbench
from engines.types import LoadRequest

_WARM_UP_CYCLES = 5
"""After them, a library has allocated what it keeps for good."""


@dataclass(frozen=True, slots=True)
class RssGrowth:
    """Resident bytes of the process over loads and unloads.

    Args:
        rss_bytes: After each unload.
        loaded_rss_bytes: While the model is loaded and has written a few tokens.
    """

    rss_bytes: tuple[int, ...]
    loaded_rss_bytes: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """`growth` is from the first cycle to the last, as a share of it."""
        return asdict(self) | {
            "cycles": len(self.rss_bytes),
            "growth": _growth(self.rss_bytes, 1),
            "growth_after_warm_up": _growth(self.rss_bytes, _WARM_UP_CYCLES),
            "loaded_growth": _growth(self.loaded_rss_bytes, 1),
        }


def _growth(sizes: Sequence[int], from_cycle: int) -> float | None:
    if len(sizes) <= from_cycle:
        return None
    start = sizes[from_cycle - 1]
    return (sizes[-1] - start) / start


def measure_load_cycles(request: LoadRequest, cycles: int) -> RssGrowth:
    """Load the model, let it write a few tokens and unload it, `cycles` times."""
    process, sizes, loaded_sizes = psutil.Process(), list[int](), list[int]()
    for _ in range(cycles):
        with Workbench(request) as bench:
            bench.run_ours(bench.encode(OPENING), 8)
            loaded_sizes.append(process.memory_info().rss)
        gc.collect()
        sizes.append(process.memory_info().rss)
    return RssGrowth(tuple(sizes), tuple(loaded_sizes))
