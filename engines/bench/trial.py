"""A short look at how fast some settings are: prefill and decode, on one load of the model.

    figures = run_trial(TrialRequest(load_request, questions=("everyday",)), share_s=10)

The fastest of a few runs counts: what else the machine does only ever makes a run slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engines.base import Engine
from engines.bench.filler_text import filler_text
from engines.bench.loaded_engine import LoadedEngine
from engines.bench.prompts import Question, prompt_classes
from engines.chat_template import ChatTemplate
from engines.errors import EngineError
from engines.events import (
    CacheForgotten,
    GenerationFinished,
    TokensCounted,
)
from engines.registry import create_for
from engines.stats import GenerationStats
from engines.types import (
    ChatMessage,
    CountTokensRequest,
    ForgetCacheRequest,
    GenerationRequest,
    LoadRequest,
    Role,
    SamplingParams,
)

MOST_RUNS = 5
_RUNS_WANTED = 3
_CACHE_KEY = "trial"
_PROBE_WORDS, _PROBE_TOKENS = 60, 8
_LEAST_PROMPT_TOKENS, _LEAST_ANSWER_TOKENS = 64, 24
_SAMPLE_WORDS = 200

Create = Callable[[LoadRequest], Engine]


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """What to measure.

    Args:
        prompt_tokens: To prefill, as far as time allows.
        answer_tokens: To decode likewise.
        questions: Classes of prompts to answer, by name (`engines.bench.prompts`).
    """

    request: LoadRequest
    use_draft: bool = True
    prompt_tokens: int = 1024
    answer_tokens: int = 96
    questions: tuple[str, ...] = ("everyday",)


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """What came out.

    Args:
        prefill_tps: Of the fastest run; None where nothing ran. `decode_tps` likewise.
        seconds: All that the trial took.
        slowest_decode_tps: Of all runs, for how far apart they are.
        refused: Why nothing ran; empty where it did.
        stats: Of every run.
    """

    prefill_tps: float | None = None
    decode_tps: float | None = None
    load_s: float = 0.0
    seconds: float = 0.0
    slowest_decode_tps: float | None = None
    refused: str = ""
    stats: tuple[GenerationStats, ...] = ()


def run_trial(trial: TrialRequest, share_s: float, create: Create = create_for) -> TrialFigures:
    """Load, measure and close; a model that does not load is told in `refused`.

    Args:
        share_s: Seconds to take about, loading aside; at least one short run is always made.
    """
    started_s = time.monotonic()
    try:
        with TrialBench(trial.request, create) as bench:
            prefill, decode = _measure(bench, trial, share_s)
            load_s = bench.load_s
    except EngineError as error:
        return TrialFigures(seconds=time.monotonic() - started_s, refused=error.message)
    decode_tps = [stats.decode_tps for stats in decode if stats.decode_tps]
    return TrialFigures(
        prefill_tps=max((stats.prefill_tps or 0.0 for stats in prefill), default=None),
        decode_tps=max(decode_tps, default=None),
        load_s=load_s,
        seconds=time.monotonic() - started_s,
        slowest_decode_tps=min(decode_tps, default=None),
        stats=(*prefill, *decode),
    )


def _measure(
    bench: TrialBench, trial: TrialRequest, share_s: float
) -> tuple[list[GenerationStats], list[GenerationStats]]:
    """Runs of prefill alone, then of decode; both are probed first, which warms the model up."""
    probe = bench.run(filler_text(_PROBE_WORDS, seed=0), _PROBE_TOKENS, use_draft=False)
    part_s = share_s / 2 / _RUNS_WANTED
    window = bench.info.context_window_tokens
    prompt_tokens = _in_time(probe.prefill_tps, part_s, _LEAST_PROMPT_TOKENS, trial.prompt_tokens)
    prompt_tokens = min(prompt_tokens, window - _LEAST_ANSWER_TOKENS)
    answer_tokens = _in_time(probe.decode_tps, part_s, _LEAST_ANSWER_TOKENS, trial.answer_tokens)
    words = round(prompt_tokens / bench.tokens_per_word())
    prefill = _repeat(
        lambda number: bench.run(filler_text(words, seed=number + 1), 1, use_draft=False),
        share_s / 2,
    )
    questions = [each for name in trial.questions for each in prompt_classes()[name]]
    decode = _repeat(
        lambda number: bench.ask(
            questions[number % len(questions)], answer_tokens, trial.use_draft
        ),
        share_s / 2,
        max(MOST_RUNS, len(questions)),
    )
    return prefill, decode


def _in_time(tps: float | None, seconds: float, least: int, most: int) -> int:
    return max(least, min(most, int((tps or 0.0) * seconds)))


def _repeat(
    run: Callable[[int], GenerationStats], limit_s: float, most: int = MOST_RUNS
) -> list[GenerationStats]:
    """At least one run, and more while the next one would end in time."""
    started_s, made = time.monotonic(), list[GenerationStats]()
    while len(made) < most:
        made.append(run(len(made)))
        spent_s = time.monotonic() - started_s
        if spent_s * (len(made) + 1) / len(made) > limit_s:
            break
    return made


class TrialBench(LoadedEngine):
    """A loaded model, asked one thing after the other.

    Raises:
        EngineError: the model does not load.
    """

    def __init__(self, request: LoadRequest, create: Create = create_for) -> None:
        super().__init__(request, lambda: create(request))

    def tokens_per_word(self) -> float:
        """Of the filler text, by the model's tokenizer."""
        counted = self.ask_engine(
            CountTokensRequest((filler_text(_SAMPLE_WORDS, seed=0),)), TokensCounted
        )
        return max(1, counted.counts[0]) / _SAMPLE_WORDS

    def ask(self, question: Question, max_tokens: int, use_draft: bool) -> GenerationStats:
        """The figures of a first turn, without reasoning where that can be."""
        info = self.info
        template = ChatTemplate(info.chat_template, info.bos_token, info.eos_token)
        reasoning = False if template.can_switch_reasoning else None
        text = template.render([ChatMessage(Role.USER, question.message)], reasoning=reasoning)
        references = (question.file,) if question.file else ()
        return self.run(text, max_tokens, use_draft, references)

    def run(
        self, prompt: str, max_tokens: int, use_draft: bool, references: Iterable[str] = ()
    ) -> GenerationStats:
        """The figures of a greedy answer, from an empty KV cache."""
        request = GenerationRequest(
            (prompt,),
            _CACHE_KEY,
            SamplingParams(temperature=0.0),
            max_tokens,
            use_draft=use_draft,
            references=tuple(references),
        )
        finished = self.ask_engine(request, GenerationFinished)
        self.ask_engine(ForgetCacheRequest(_CACHE_KEY), CacheForgotten)
        return finished.stats
