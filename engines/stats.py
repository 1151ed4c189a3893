"""The figures of one finished generation, and how each is computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from engines.kv.reuse import CacheReuse


@dataclass(frozen=True, slots=True)
class DraftCount:
    """What one drafter did in one generation; `steps` are the passes that verified its drafts."""

    drafter: str
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    steps: int = 0

    def plus(self, drafted_tokens: int, accepted_tokens: int) -> DraftCount:
        """This, and one step more."""
        return DraftCount(
            self.drafter,
            self.drafted_tokens + drafted_tokens,
            self.accepted_tokens + accepted_tokens,
            self.steps + 1,
        )


@dataclass(frozen=True, slots=True)
class GenerationStats:
    """What one generation cost. A figure that is not known is None, never 0.

    Args:
        cached_tokens: Prompt tokens whose KV cache was reused.
        ttft_s: Seconds from the start of the request to the first generated token.
        prefill_s: Seconds spent on the prompt tokens that were not cached.
        decode_s: Seconds from the first generated token to the last.
        kv_cache_bytes: Bytes of KV cache in use at the end.
        bandwidth_ceiling_tps: Memory bandwidth ÷ bytes read per token; the most tok/s that plain
            decode can reach on this machine.
        cache_reuse: What the prompt found in the KV cache.
        cache_note: Why more was prefilled than the turn is long; empty where it was not.
        memory_note: What was done to fit the turn into memory; empty where it was nothing.
        draft_counts: Drafted and accepted tokens by drafter.
        plain_decode_tps: Tokens per second that this model decodes here without drafts.
        engine_choice: Why this engine, where another one answered before; else empty.
    """

    engine: str
    model: str
    quantization: str
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    ttft_s: float | None
    prefill_s: float
    decode_s: float
    kv_cache_bytes: int
    kv_type: str
    peak_memory_bytes: int | None = None
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    bandwidth_ceiling_tps: float | None = None
    cache_reuse: CacheReuse | None = None
    cache_note: str = ""
    memory_note: str = ""
    draft_counts: tuple[DraftCount, ...] = ()
    plain_decode_tps: float | None = None
    engine_choice: str = ""

    @property
    def prefill_tps(self) -> float | None:
        """Uncached prompt tokens per second of prefill."""
        return _rate(self.prompt_tokens - self.cached_tokens, self.prefill_s)

    @property
    def decode_tps(self) -> float | None:
        """Tokens per second after the first one, which belongs to TTFT."""
        return _rate(self.generated_tokens - 1, self.decode_s)

    @property
    def effective_tps(self) -> float | None:
        """All generated tokens over the whole wall time, prefill included."""
        if self.ttft_s is None:
            return None
        return _rate(self.generated_tokens, self.ttft_s + self.decode_s)

    @property
    def acceptance_rate(self) -> float | None:
        """Accepted ÷ drafted tokens."""
        return self.accepted_tokens / self.drafted_tokens if self.drafted_tokens else None

    @property
    def accepted_per_step(self) -> float | None:
        """Accepted tokens in the mean pass that verified a draft."""
        steps = sum(count.steps for count in self.draft_counts)
        return self.accepted_tokens / steps if steps else None

    @property
    def net_gain(self) -> float | None:
        """`decode_tps` ÷ the plain decode speed; None where nothing was drafted."""
        if not self.drafted_tokens or not self.decode_tps or not self.plain_decode_tps:
            return None
        return self.decode_tps / self.plain_decode_tps

    def to_json(self) -> dict[str, Any]:
        """Every field and derived figure, ready for `json.dumps`."""
        derived = (
            "prefill_tps",
            "decode_tps",
            "effective_tps",
            "acceptance_rate",
            "accepted_per_step",
            "net_gain",
        )
        counts = [asdict(count) for count in self.draft_counts]  # a list, as it is read back
        return (
            asdict(self)
            | {"draft_counts": counts}
            | {name: getattr(self, name) for name in derived}
        )


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if count > 0 and seconds > 0 else None
