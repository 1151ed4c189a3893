"""The KV cache across turns, branches, switches and restarts, and what it takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
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
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class KvResult:
    """Args:
    turn_ttft_s: Median TTFT of each turn of a chat with questions of equal length.
    turn_prefilled_tokens: Tokens prefilled in each turn.
    bare_turn10_over_turn1: The same ratio of bare passes over one question behind as much context:
        what attention to a longer context costs by itself, whatever the cache does.
    restart_speedup: TTFT of prefilling a conversation ÷ TTFT after a restart.
    restart_context_tokens: Length of that conversation.
    *_prefilled_tokens: Tokens of earlier turns that were prefilled once more.
    kv_bytes_per_token: By KV cache type; None where the engine refuses it for this model.
    """

    turn_ttft_s: tuple[float, ...]
    turn_prefilled_tokens: tuple[int, ...]
    bare_turn10_over_turn1: float | None
    branch_prefilled_tokens: int
    switch_back_prefilled_tokens: int
    restart_ttft_s: float | None
    cold_ttft_s: float | None
    restart_context_tokens: int
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
        time_limit_s: For prefilling the conversation that is reopened after a restart; a slow
            machine gets a shorter one.
        cycles: How often to load and unload for the growth of memory; the model is small or the
            user patient.
    """
    with tempfile.TemporaryDirectory(prefix="llm-tui-kv-") as folder:
        create = partial(create_for, kv_folder=Path(folder))
        open_bench = partial(Workbench, create=create)
        with open_bench(request) as bench:
            report("a chat of ten turns")
            turn_ttft_s, turn_tokens, branched = _measure_turns(bench, repeat)
            bare_ratio = _measure_bare_passes(bench)
            report("switching to another profile and back")
            switched = _measure_switch(bench, open_bench)
        report("restarting")
        cold_s, restart_s, length, prefilled = _measure_restart(
            open_bench, request, repeat, time_limit_s
        )
    report("KV cache types")
    kv_bytes = {kv_type: _bytes_per_token(request, kv_type) for kv_type in KV_TYPES}
    report(f"loading and unloading {cycles} times")
    return KvResult(
        turn_ttft_s,
        turn_tokens,
        bare_ratio,
        branched,
        switched,
        restart_s,
        cold_s,
        length,
        prefilled,
        kv_bytes,
        measure_load_cycles(request, cycles),
    )


def _measure_turns(bench: Workbench, repeat: int) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    """Median TTFT and prefilled tokens by turn, and what a branch prefills again."""
    ConversationRun(bench, "warm-up").take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
    times_s: list[list[float]] = [[] for _ in range(TURNS)]
    prefilled = [0] * TURNS
    branched = 0
    for number in range(repeat):
        chat = ConversationRun(bench, f"chat-{number}")
        middle: tuple[int, ...] = ()
        for turn in range(TURNS):
            run = chat.take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
            times_s[turn].append(run.ttft_s)
            prefilled[turn] = run.prompt_tokens - run.cached_tokens
            if turn + 1 == BRANCH_TURN:
                middle = chat.sequence
        branch = ConversationRun(bench, f"branch-{number}", middle)
        run = branch.take_turn(QUESTION_TOKENS, ANSWER_TOKENS)
        branched = max(branched, prefilled_again(run, len(middle)))
        bench.forget(chat.cache_key)
        bench.forget(branch.cache_key)
    return tuple(median(turn) or 0.0 for turn in times_s), tuple(prefilled), branched


def _measure_bare_passes(bench: Workbench) -> float | None:
    earlier_tokens = (TURNS - 1) * (QUESTION_TOKENS + ANSWER_TOKENS)
    first_s = bench.time_rows(QUESTION_TOKENS, 1)
    return ratio(bench.time_rows(QUESTION_TOKENS, earlier_tokens), first_s)


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


def _measure_restart(
    open_bench: Callable[[LoadRequest], Workbench],
    request: LoadRequest,
    repeat: int,
    time_limit_s: float,
) -> tuple[float | None, float | None, int, int]:
    """TTFT of a long conversation: prefilled, and continued by an engine started anew."""
    cold_s, restart_s = list[float](), list[float]()
    length = prefilled = 0
    for number in range(repeat):
        key = f"restart-{number}"
        with open_bench(request) as bench:
            length = length or _restart_tokens(bench, time_limit_s / repeat)
            bench.run_ours(filler_ids(bench.encode, 64, seed=number), 2)
            chat = ConversationRun(bench, key)
            cold_s.append(chat.take_turn(length, ANSWER_TOKENS).ttft_s)
        with open_bench(request) as bench:
            bench.run_ours(filler_ids(bench.encode, 64, seed=number), 2)
            earlier_tokens = len(chat.sequence)
            again = ConversationRun(bench, key, chat.sequence)
            run = again.take_turn(8, ANSWER_TOKENS)
            restart_s.append(run.ttft_s)
            prefilled = max(prefilled, prefilled_again(run, earlier_tokens))
            bench.forget(key)
    return median(cold_s), median(restart_s), length, prefilled


def _restart_tokens(bench: Workbench, time_limit_s: float) -> int:
    """As long a conversation as the window takes and the time allows."""
    room_tokens = bench.info.context_window_tokens - QUESTION_TOKENS - 2 * ANSWER_TOKENS
    probe = bench.run_ours(filler_ids(bench.encode, min(256, room_tokens), seed=-1), 1)
    in_time = int(time_limit_s * (probe.prefill_tps or 0)) // 256 * 256
    return min(RESTART_TOKENS, room_tokens, max(256, in_time))


def _bytes_per_token(request: LoadRequest, kv_type: str) -> int | None:
    try:
        with Workbench(replace(request, kv_type=kv_type)) as bench:
            return bench.info.kv_bytes_per_token
    except EngineError:
        return None
