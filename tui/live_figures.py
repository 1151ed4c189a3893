"""The stats bar's figures: of the model in use, and of a turn while it runs and when it is over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from conversation.turn import Turn, TurnState
from engines.roofline import decode_ceiling_tps
from engines.stats import GenerationStats
from engines.types import ModelInfo
from tui.stats_line import Figures, Phase

ROLLING_S = 1.0

_PHASES = {
    TurnState.QUEUED: Phase.QUEUED,
    TurnState.LOADING: Phase.LOADING,
    TurnState.PREFILL: Phase.PREFILL,
    TurnState.DECODE: Phase.DECODE,
}


class RollingRate:
    """Tokens per second over the last second, from a running count."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, now_s: float, total_tokens: int) -> None:
        """Note the tokens counted by `now_s`, the time of the last of them."""
        if self._samples and self._samples[-1][1] == total_tokens:
            return
        self._samples.append((now_s, total_tokens))
        while len(self._samples) > 2 and now_s - self._samples[1][0] >= ROLLING_S:
            self._samples.popleft()

    @property
    def tps(self) -> float | None:
        """None until two moments are known."""
        if len(self._samples) < 2:
            return None
        (first_s, first_tokens), (last_s, last_tokens) = self._samples[0], self._samples[-1]
        elapsed_s = last_s - first_s
        return (last_tokens - first_tokens) / elapsed_s if elapsed_s > 0 else None


class TurnMeter:
    """The figures of one turn.

    Args:
        turn: Its live figures are read, never waited for.
        info: The model that runs it, where it is known.
        memory_bandwidth_bytes_per_s: Of this machine, for the bandwidth ceiling.
        plain_decode_tps: The model's decode speed without drafting, where it was measured.
        clock: Like `time.perf_counter`; tests pass their own.
    """

    def __init__(
        self,
        turn: Turn,
        info: ModelInfo | None = None,
        memory_bandwidth_bytes_per_s: float | None = None,
        plain_decode_tps: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.turn = turn
        self.info = info
        self.memory_bandwidth_bytes_per_s = memory_bandwidth_bytes_per_s
        self.plain_decode_tps = plain_decode_tps
        self._clock = clock or time.perf_counter
        self._rate = RollingRate()

    def over(self, figures: Figures) -> Figures:
        """`figures` with those of this turn, as they are now, in them."""
        turn = self.turn
        if turn.last_token_s is not None:
            self._rate.note(turn.last_token_s, turn.generated_tokens)
        if turn.is_over:
            return self._ended(figures, turn.stats)
        return self._running(figures)

    def _running(self, figures: Figures) -> Figures:
        turn, prefill = self.turn, self.turn.prefill
        length = turn.context_tokens
        return replace(
            without_turn(figures),
            phase=_PHASES.get(turn.state, Phase.IDLE),
            ttft_s=turn.ttft_s,
            prefill_done_tokens=prefill.done_tokens if prefill else None,
            prefill_tokens=prefill.prompt_tokens if prefill else None,
            prefill_remaining_s=prefill.remaining_s if prefill else None,
            decode_tps=self._rate.tps,
            bandwidth_ceiling_tps=self._ceiling_tps(length),
            effective_tps=self._effective_tps(),
            context_length_tokens=length,
            kv_used_bytes=self.info.kv_cache_bytes(length) if self.info and length else None,
        )

    def _ceiling_tps(self, length_tokens: int | None) -> float | None:
        if self.memory_bandwidth_bytes_per_s is None or self.info is None:
            return None
        return decode_ceiling_tps(self.memory_bandwidth_bytes_per_s, self.info, length_tokens or 0)

    def _effective_tps(self) -> float | None:
        turn = self.turn
        if turn.started_s is None or not turn.generated_tokens:
            return None
        elapsed_s = self._clock() - turn.started_s
        return turn.generated_tokens / elapsed_s if elapsed_s > 0 else None

    def _ended(self, figures: Figures, stats: GenerationStats | None) -> Figures:
        if stats is None:
            return replace(without_turn(figures), phase=Phase.IDLE)
        length = stats.prompt_tokens + stats.generated_tokens
        gain = stats.net_gain
        if gain is None and stats.decode_tps and stats.drafted_tokens and self.plain_decode_tps:
            gain = stats.decode_tps / self.plain_decode_tps
        return replace(
            figures,
            phase=Phase.IDLE,
            ttft_s=stats.ttft_s,
            decode_tps=stats.decode_tps,
            bandwidth_ceiling_tps=stats.bandwidth_ceiling_tps or self._ceiling_tps(length),
            effective_tps=stats.effective_tps,
            kv_used_bytes=stats.kv_cache_bytes,
            context_length_tokens=length,
            acceptance_rate=stats.acceptance_rate,
            gain=gain,
            has_draft=figures.has_draft or stats.drafted_tokens > 0,
        )


def with_model(figures: Figures, info: ModelInfo) -> Figures:
    """`figures` of a model that is ready."""
    return replace(
        figures,
        model=info.name,
        engine=info.engine,
        quantization=info.quantization,
        is_demo=info.is_demo,
        kv_reserved_bytes=info.kv_reserved_bytes,
        kv_type=info.kv_type,
        context_window_tokens=info.context_window_tokens,
        has_draft=info.draft_name is not None,
    )


def without_turn(figures: Figures) -> Figures:
    """`figures` with those of a turn unknown again."""
    return replace(
        figures,
        phase=Phase.IDLE,
        ttft_s=None,
        prefill_done_tokens=None,
        prefill_tokens=None,
        prefill_remaining_s=None,
        decode_tps=None,
        bandwidth_ceiling_tps=None,
        effective_tps=None,
        kv_used_bytes=None,
        context_length_tokens=None,
        acceptance_rate=None,
        gain=None,
    )
