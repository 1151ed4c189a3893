"""What each task asks of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from profiles.task import Task


@dataclass(frozen=True, slots=True)
class Needs:
    """What a task asks of a model.

    The speeds are chosen so that the guide's own recommendations come out for its machines.

    Args:
        windows_tokens: Context windows to try, the longest first.
        least_tps: Decode speed below which a model is no pleasure at this task.
        quantizations: Of GGUF files, the finest first.
        kv_type: For the KV cache.
        may_be_tight: Where nothing better fits, also in the coarsest quantization.
        by_size: The largest model first, those older than a year last.
    """

    windows_tokens: tuple[int, ...]
    least_tps: float
    quantizations: tuple[str, ...] = ("Q8_0", "Q5_K_M", "Q4_K_M")
    kv_type: str = "f16"
    may_be_tight: bool = False
    by_size: bool = False


NEEDS: Mapping[Task, Needs] = {
    Task.DAILY_CHAT: Needs((16_384, 8_192), least_tps=10),
    Task.CODING: Needs((32_768, 16_384, 8_192), least_tps=9),
    Task.REASONING: Needs((16_384, 8_192), least_tps=9),
    Task.LONG_DOCUMENTS: Needs(
        (131_072, 65_536, 32_768), least_tps=5, quantizations=("Q4_K_M",), kv_type="q8_0"
    ),
    Task.QUICK: Needs((8_192,), least_tps=15, quantizations=("Q4_K_M",)),
    Task.VISION: Needs((8_192,), least_tps=9),
    Task.MAXIMUM_CAPABILITY: Needs(
        (8_192,),
        least_tps=4,
        quantizations=("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"),
        may_be_tight=True,
        by_size=True,
    ),
}
