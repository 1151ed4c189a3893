"""The figures of one turn, kept to predict later ones. There is no text of the turn in them."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import astuple, dataclass, field, fields

from engines.stats import GenerationStats
from engines.types import LoadRequest
from profiles.schema import Profile

KEPT_MEASUREMENTS = 4000
KEPT_S = 365 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One finished turn.

    Args:
        machine: What `this_machine` says there; a database may move to another one.
        model: As the load request names it.
        draft: The draft model likewise; empty without one.
        kv_type: As it was asked for.
        load_s: Seconds to load the model, where this turn waited for that.
        measured_at: Seconds since the epoch.
    """

    machine: str
    profile: str
    task: str
    model: str
    draft: str
    engine: str
    quantization: str
    kv_type: str
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    ttft_s: float | None
    prefill_s: float
    decode_s: float
    load_s: float | None = None
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    net_gain: float | None = None
    measured_at: float = field(default_factory=time.time)

    @property
    def prefilled_tokens(self) -> int:
        return self.prompt_tokens - self.cached_tokens

    @property
    def context_tokens(self) -> int:
        """Context length at the end."""
        return self.prompt_tokens + self.generated_tokens

    @property
    def prefill_tps(self) -> float | None:
        return self.prefilled_tokens / self.prefill_s if self.prefill_s > 0 else None

    @property
    def decode_tps(self) -> float | None:
        """Tokens per second after the first one, what drafting gained included."""
        return (self.generated_tokens - 1) / self.decode_s if self.decode_s > 0 else None

    def is_of(self, request: LoadRequest) -> bool:
        """Whether it was made with what `request` loads."""
        wanted = (request.model, request.draft_model or "", request.engine, request.kv_type)
        return (self.model, self.draft, self.engine, self.kv_type) == wanted


def measurement_of(
    stats: GenerationStats,
    request: LoadRequest,
    profile: Profile,
    machine: str,
    load_s: float | None = None,
) -> Measurement:
    """The figures of a turn that was answered with `profile` by what `request` loaded."""
    return Measurement(
        machine=machine,
        profile=profile.name,
        task=str(profile.task or ""),
        model=request.model,
        draft=(request.draft_model or "") if profile.use_draft else "",
        engine=request.engine,
        quantization=stats.quantization,
        kv_type=request.kv_type,
        prompt_tokens=stats.prompt_tokens,
        cached_tokens=stats.cached_tokens,
        generated_tokens=stats.generated_tokens,
        ttft_s=stats.ttft_s,
        prefill_s=stats.prefill_s,
        decode_s=stats.decode_s,
        load_s=load_s,
        drafted_tokens=stats.drafted_tokens,
        accepted_tokens=stats.accepted_tokens,
        net_gain=stats.net_gain,
    )


def this_machine() -> str:
    """What tells this machine from others that its database may be moved to."""
    from engines.hardware_probes import chip_name, core_counts, memory_sizes

    _, logical_cores = core_counts()
    total_bytes, _ = memory_sizes()
    return f"{chip_name()}|{logical_cores}|{total_bytes}"


_COLUMNS = tuple(item.name for item in fields(Measurement))


def add_measurement(connection: sqlite3.Connection, measurement: Measurement) -> None:
    places = ", ".join("?" for _ in _COLUMNS)
    connection.execute(
        f"INSERT INTO measurements ({', '.join(_COLUMNS)}) VALUES ({places})",
        astuple(measurement),
    )


def prune_measurements(
    connection: sqlite3.Connection, now: float, kept: int = KEPT_MEASUREMENTS
) -> None:
    """Drop what is older than a year, and of the rest all but the newest."""
    connection.execute("DELETE FROM measurements WHERE measured_at < ?", (now - KEPT_S,))
    connection.execute(
        "DELETE FROM measurements WHERE number <= (SELECT max(number) FROM measurements) - ?",
        (kept,),
    )


def read_measurements(connection: sqlite3.Connection, machine: str) -> list[Measurement]:
    """Those made on `machine`, the oldest first."""
    rows = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM measurements WHERE machine = ? ORDER BY number",
        (machine,),
    )
    return [Measurement(*row) for row in rows]
