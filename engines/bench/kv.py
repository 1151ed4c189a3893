"""The KV cache across turns, branches, switches and restarts, and what it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from engines.bench.conversation_run import ConversationRun, prefilled_again
from engines.bench.figures import median, ratio
from engines.bench.filler_text import filler_ids
from engines.bench.load_cycles import RssGrowth, measure_load_cycles
from engines.bench.workbench import Workbench
from engines.errors import EngineError
from engines.registry import create_for
from engines.types import LoadRequest

TURNS = 10
BRANCH_TURN = 5
QUESTION_TOKENS = 24
ANSWER_TOKENS = 8
RESTART_TOKENS = 8192
KV_TYPES = ("f16", "q8_0", "q4_0")
_CHATS_PER_REPEAT = 3
_PREFILL_LIMITS = 2
"""A long conversation is prefilled whole: so many time limits may go into the first of them."""
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class KvResult:
    """Args:
    turn_ttft_s: Median TTFT of each turn of a chat with questions of equal length.
    turn_prefilled_tokens, turn_cached_tokens: Tokens prefilled and reused in each turn.
    turn10_over_turn1: TTFT of the last turn ÷ TTFT of the first.
    bare_turn10_over_turn1: The same of the bare library reading as many tokens behind as many: what
        attention to a longer context costs by itself, whatever the cache does.
    turn1_over_bare, turn10_over_bare: TTFT of a turn ÷ that of the bare library: what we add.
    restart_speedup: TTFT of prefilling a conversation ÷ TTFT after a restart.
    restart_context_tokens: Length of that conversation.
    restart_limited_by: What keeps it from 8k tokens: `window`, `time`, or nothing.
    *_prefilled_tokens: Tokens of earlier turns that were prefilled once more.
    kv_bytes_per_token: By KV cache type; None where the engine refuses it for this model.
    """

    turn_ttft_s: tuple[float, ...]
    turn_prefilled_tokens: tuple[int, ...]
    turn_cached_tokens: tuple[int, ...]
    bare_turn1_s: float | None
    bare_turn10_s: float | None
    branch_prefilled_tokens: int
    switch_back_prefilled_tokens: int
    restart_ttft_s: float | None
    cold_ttft_s: float | None
    restart_context_tokens: int
    restart_limited_by: str
    restart_prefilled_tokens: int
    kv_bytes_per_token: dict[str, int | None]
    rss_growth: RssGrowth

    @property
    def restart_speedup(self) -> float | None:
        return ratio(self.cold_ttft_s, self.restart_ttft_s)

    @property
    def turn10_over_turn1(self) -> float | None:
        return ratio(self.turn_ttft_s[-1], self.turn_ttft_s[0])

    def to_json(self) -> dict[str, Any]:
        derived = {
            "restart_speedup": self.restart_speedup,
            "turn10_over_turn1": self.turn10_over_turn1,
            "bare_turn10_over_turn1": ratio(self.bare_turn10_s, self.bare_turn1_s),
            "turn1_over_bare": ratio(self.turn_ttft_s[0], self.bare_turn1_s),
            "turn10_over_bare": ratio(self.turn_ttft_s[-1], self.bare_turn10_s),
        }
        return derived | asdict(self) | {"rss_growth": self.rss_growth.to_json()}


def measure_kv(
    request: LoadRequest,
    repeat: int,
    cycles: int,
    time_limit_s: float,
    report: Report = lambda line: None,
) -> KvResult:
    """Everything about one model's KV cache; loads it several times.

    Args:
        time_limit_s: The conversation that is reopened after a restart is as long as can be
            prefilled in twice that; it is repeated where there is time.
        cycles: How often to load and unload for the growth of memory; the model is small or the
            user patient.
    """
    report(f"loading and unloading {cycles} times")
    rss_growth = measure_load_cycles(request, cycles)
    with tempfile.TemporaryDirectory(prefix="llm-tui-kv-") as folder:
        create = partial(create_for, kv_folder=Path(folder))
        open_bench = partial(Workbench, create=create)
        with open_bench(request) as bench:
            report("chats of ten turns")
            turns = _measure_turns(bench, repeat, time_limit_s / 4)
            report("switching to another profile and back")
            switched = _measure_switch(bench, open_bench)
        restart = _measure_restart(open_bench, request, repeat, time_limit_s, report)
    report("KV cache types")
    kv_bytes = {kv_type: _bytes_per_token(request, kv_type) for kv_type in KV_TYPES}
    return KvResult(
        tuple(median(turn) or 0.0 for turn in turns.ttft_s),
        tuple(turns.prefilled_tokens),
        tuple(turns.cached_tokens),
        median(turns.bare_first_s),
        median(turns.bare_last_s),
        turns.branch_prefilled_tokens,
        switched,
        median(restart.warm_s),
        median(restart.cold_s),
        restart.context_tokens,
        restart.limited_by,
        restart.prefilled_tokens,
        kv_bytes,
        rss_growth,
    )


@dataclass
class _Turns:
    """Figures of chats, by turn, and of branches from their middle."""

    ttft_s: list[list[float]] = field(default_factory=lambda: [[] for _ in range(TURNS)])
    prefilled_tokens: list[int] = field(default_factory=lambda: [0] * TURNS)
    cached_tokens: list[int] = field(default_factory=lambda: [0] * TURNS)
    bare_first_s: list[float] = field(default_factory=list)
    bare_last_s: list[float] = field(default_factory=list)
    branch_prefilled_tokens: int = 0


def _measure_turns(bench: Workbench, repeat: int, time_limit_s: float) -> _Turns:
    """Chats with the bare library in alternation; many where they are quick, as they are short."""
    ConversationRun(bench, "warm-up").take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
    turns, started_s = _Turns(), time.monotonic()
    for number in range(_CHATS_PER_REPEAT * repeat):
        if number >= repeat and time.monotonic() - started_s > time_limit_s:
            break
        _take_turns(bench, number, turns)
        prefilled, cached = turns.prefilled_tokens, turns.cached_tokens
        turns.bare_first_s.append(bench.time_bare_turn(prefilled[0], cached[0]))
        turns.bare_last_s.append(bench.time_bare_turn(prefilled[-1], cached[-1]))
    return turns


def _take_turns(bench: Workbench, number: int, turns: _Turns) -> None:
    chat = ConversationRun(bench, f"chat-{number}")
    middle: tuple[int, ...] = ()
    for turn in range(TURNS):
        run = chat.take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
        turns.ttft_s[turn].append(run.ttft_s)
        turns.prefilled_tokens[turn] = run.prompt_tokens - run.cached_tokens
        turns.cached_tokens[turn] = run.cached_tokens
        if turn + 1 == BRANCH_TURN:
            middle = chat.sequence
    branch = ConversationRun(bench, f"branch-{number}", middle)
    again = prefilled_again(branch.take_turn(QUESTION_TOKENS, ANSWER_TOKENS), len(middle))
    turns.branch_prefilled_tokens = max(turns.branch_prefilled_tokens, again)
    bench.forget(chat.cache_key)
    bench.forget(branch.cache_key)


def _measure_switch(bench: Workbench, open_bench: Callable[[LoadRequest], Workbench]) -> int:
    """A chat on one profile, a turn of it on another one, and on with the first."""
    chat = ConversationRun(bench, "switch-a")
    for _ in range(3):
        chat.take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
    other_type = "q8_0" if bench.request.kv_type == "f16" else "f16"
    with open_bench(replace(bench.request, kv_type=other_type)) as other:
        ConversationRun(other, "switch-b", chat.sequence).take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
        ConversationRun(bench, "switch-c").take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
        earlier_tokens = len(chat.sequence)
        run = chat.take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
    return prefilled_again(run, earlier_tokens)


@dataclass
class _Restarts:
    cold_s: list[float] = field(default_factory=list)
    warm_s: list[float] = field(default_factory=list)
    context_tokens: int = 0
    limited_by: str = ""
    prefilled_tokens: int = 0


def _measure_restart(
    open_bench: Callable[[LoadRequest], Workbench],
    request: LoadRequest,
    repeat: int,
    time_limit_s: float,
    report: Report,
) -> _Restarts:
    """TTFT of a long conversation: prefilled, and continued by an engine started anew."""
    restarts, started_s = _Restarts(), time.monotonic()
    for number in range(repeat):
        if number and time.monotonic() - started_s + restarts.cold_s[-1] > time_limit_s:
            break
        key = f"restart-{number}"
        with open_bench(request) as bench:
            if not number:
                restarts.context_tokens, restarts.limited_by = _restart_tokens(bench, time_limit_s)
            report(f"restart {number + 1}: prefilling {restarts.context_tokens:,} tokens")
            bench.run_ours(filler_ids(bench.encode, 64, seed=number), 2)
            chat = ConversationRun(bench, key)
            cold_s = chat.take_turn(restarts.context_tokens, ANSWER_TOKENS).ttft_s
            bench.save_caches()
        report(f"restart {number + 1}: that took {cold_s:.1f} s; reopening them")
        with open_bench(request) as bench:
            bench.run_ours(filler_ids(bench.encode, 64, seed=number), 2)
            earlier_tokens = len(chat.sequence)
            run = ConversationRun(bench, key, chat.sequence).take_turn(8, ANSWER_TOKENS)
            bench.forget(key)
        restarts.cold_s.append(cold_s)
        restarts.warm_s.append(run.ttft_s)
        again = prefilled_again(run, earlier_tokens)
        restarts.prefilled_tokens = max(restarts.prefilled_tokens, again)
    return restarts


def _restart_tokens(bench: Workbench, time_limit_s: float) -> tuple[int, str]:
    """As long a conversation as the window takes and the time allows, and what limits it."""
    room_tokens = bench.info.context_window_tokens - QUESTION_TOKENS - 2 * ANSWER_TOKENS
    probe = bench.run_ours(filler_ids(bench.encode, min(256, room_tokens), seed=-1), 1)
    in_time = max(256, int(_PREFILL_LIMITS * time_limit_s * (probe.prefill_tps or 0)) // 256 * 256)
    limits = {RESTART_TOKENS: "", room_tokens: "window", in_time: "time"}
    return min(limits), limits[min(limits)]


def _bytes_per_token(request: LoadRequest, kv_type: str) -> int | None:
    try:
        with Workbench(replace(request, kv_type=kv_type)) as bench:
            return bench.info.kv_bytes_per_token
    except EngineError:
        return None
