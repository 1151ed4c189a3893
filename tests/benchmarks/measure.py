"""One run of one client: start it, talk to it, and work out the figures from its terminal."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from engines.scripted import TIMES_VARIABLE
from tests.benchmarks.answers import first_word, last_word, write_answer
from tests.benchmarks.clients import Client, Load
from tests.benchmarks.figures import Figures
from tests.terminal.program import TerminalProgram
from tests.terminal.watch import NotSeen, Watch

PROBE = "zq"
KEY_EVERY_S = 0.17
MOST_KEYS = 32
TYPED_LETTERS = "bdfghjmpqvwx"
IDLE_CPU_SHARE = 0.12
IDLE_FOR_S = 1.0
TAIL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """`turns` answers of `tokens` tokens; the last one is measured."""

    name: str
    rate_tps: float
    tokens: int
    turns: int

    @property
    def title(self) -> str:
        answers = "one answer" if self.turns == 1 else f"answer {self.turns} of {self.turns}"
        return f"{answers}, {self.tokens:,} tokens at {self.rate_tps:g} tok/s"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("a", 100, 500, 1),
        Scenario("b", 500, 2000, 1),
        Scenario("c", 500, 2000, 3),
    )
}


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key typed while an answer streamed; `echo` sees everything typed so far."""

    pressed_s: float
    typed: str
    echo: Watch


@dataclass(frozen=True, slots=True)
class Turn:
    """What was noted of one answer; times on the monotonic clock."""

    number: int
    tokens: int
    submitted_s: float
    first_token_s: float
    last_token_s: float
    first_word: Watch
    last_word: Watch
    keys: list[KeyPress]
    idle_s: float


def measure(client: Client, scenario: Scenario) -> Figures:
    """Run `client` once.

    Raises:
        NotSeen: it did not come up, or did not answer.
    """
    numbers = range(1, scenario.turns + 1)
    answers = tuple(write_answer(number, scenario.tokens) for number in numbers)
    with tempfile.TemporaryDirectory(prefix="llm-tui-bench-") as folder:
        home = Path(folder)
        times = home / "times.jsonl"
        command = client.command(home, Load(answers, scenario.rate_tps))
        with TerminalProgram(command, home, environment={TIMES_VARIABLE: str(times)}) as program:
            ready_s = _start(program, client)
            for number in numbers:
                turn = _take_turn(program, number, times, scenario)
            program.press(*client.quit_keys)
            program.wait_exit()
            return _figures(program, client, scenario, turn, ready_s)


def _start(program: TerminalProgram, client: Client) -> float:
    """Wait for the prompt and type a probe; the time at which the probe showed."""
    program.wait_for(client.prompt)
    probe = program.watch(PROBE)
    program.type(PROBE)
    program.wait_until(lambda: probe.seen_s is not None, 10, "the typed probe")
    assert probe.seen_s is not None
    program.read_for(0.5)
    return probe.seen_s


def _take_turn(program: TerminalProgram, number: int, times: Path, scenario: Scenario) -> Turn:
    program.type(f" question {number}")
    program.wait_for(f"question {number}")
    program.read_for(0.3)
    opening, ending = program.watch(first_word(number)), program.watch(last_word(number))
    program.sample()
    submitted_s = program.press("enter")
    program.read_for(1 / scenario.rate_tps + 0.3)
    keys = _type_while_streaming(program, number, times, scenario)
    noted = json.loads(times.read_text().splitlines()[number - 1])
    idle_s = _wait_until_idle(program, ending, noted["last_token_s"])
    program.show()
    turn = Turn(
        number,
        noted["tokens"],
        submitted_s,
        noted["first_token_s"],
        noted["last_token_s"],
        opening,
        ending,
        keys,
        idle_s,
    )
    _empty_prompt(program, keys)
    return turn


def _type_while_streaming(
    program: TerminalProgram, number: int, times: Path, scenario: Scenario
) -> list[KeyPress]:
    """Type a key now and then until answer `number` has been generated."""
    random, keys = Random(number), list[KeyPress]()
    deadline_s = time.monotonic() + scenario.tokens / scenario.rate_tps * 3 + 30
    while not _has_finished(times, number):
        if time.monotonic() > deadline_s or program.has_closed:
            program.show()
            raise NotSeen(f"Answer {number} was not generated:\n{program.screen.text}")
        if len(keys) < MOST_KEYS:
            letter = "zk"[len(keys)] if len(keys) < 2 else random.choice(TYPED_LETTERS)
            typed = (keys[-1].typed if keys else "") + letter
            echo = program.watch(typed)
            keys.append(KeyPress(program.press(letter), typed, echo))
            program.read_for(KEY_EVERY_S * random.uniform(0.75, 1.25))
        else:
            program.read_for(0.03)
    return keys


def _has_finished(times: Path, number: int) -> bool:
    return times.exists() and times.read_text().count("\n") >= number


def _wait_until_idle(program: TerminalProgram, ending: Watch, last_token_s: float) -> float:
    """When the end showed and the program came to rest: from then on there was nothing to do."""
    program.read_for(max(0.0, last_token_s + IDLE_FOR_S - time.monotonic()))
    deadline_s = time.monotonic() + TAIL_TIMEOUT_S
    while (now_s := time.monotonic()) < deadline_s:
        used_s = program.tree.cpu_at(now_s) - program.tree.cpu_at(now_s - IDLE_FOR_S)
        is_drawn = program.show(budget_s=0.02)
        if is_drawn and ending.seen_s is not None and used_s < IDLE_CPU_SHARE * IDLE_FOR_S:
            return max(ending.seen_s + 0.2, now_s - IDLE_FOR_S)
        program.read_for(0.02)
    raise NotSeen(f"The end of the answer did not show:\n{program.screen.text}")


def _empty_prompt(program: TerminalProgram, keys: list[KeyPress]) -> None:
    program.press(*["backspace"] * len(keys))
    if keys:
        program.wait_for(lambda screen: not any("zk" in line for line in screen.lines))


def _figures(
    program: TerminalProgram, client: Client, scenario: Scenario, turn: Turn, ready_s: float
) -> Figures:
    assert program.first_paint_s is not None and turn.last_word.seen_s is not None
    times_s = [time_s for time_s, _ in program.chunks]
    wrote = sum(
        len(data) for time_s, data in program.chunks if turn.submitted_s <= time_s <= turn.idle_s
    )
    cpu_s = program.tree.cpu_at(turn.idle_s) - program.tree.cpu_at(turn.first_token_s)
    shown_s = turn.last_word.seen_s
    paints = [time_s for time_s in times_s if turn.first_token_s <= time_s <= shown_s]
    counted = [key for key in turn.keys[2:] if key.pressed_s <= shown_s]
    return Figures(
        client=client.name,
        scenario=scenario.name,
        tokens=turn.tokens,
        first_paint_s=program.first_paint_s - program.started_s,
        ready_s=ready_s - program.started_s,
        cpu_per_1k_tokens_s=cpu_s / turn.tokens * 1000,
        bytes_per_token=wrote / turn.tokens,
        first_word_lag_s=_lag(turn.first_word, turn.first_token_s),
        tail_lag_s=_lag(turn.last_word, turn.last_token_s),
        keys_typed=len(counted),
        peak_rss_bytes=program.tree.peak_rss_bytes,
        paints_per_s=_bursts(paints) / max(0.05, shown_s - turn.first_token_s),
        key_echo_ms=tuple(
            (key.echo.seen_s - key.pressed_s) * 1000
            for key in counted
            if key.echo.seen_s is not None
        ),
    )


def _lag(watch: Watch, since_s: float) -> float | None:
    return watch.seen_s - since_s if watch.seen_s is not None else None


def _bursts(times_s: list[float]) -> int:
    """Groups of reads that lie at least 2 ms apart: about the paints."""
    gaps = zip([0.0, *times_s], times_s, strict=False)
    return sum(after_s - before_s >= 0.002 for before_s, after_s in gaps)
