"""Two engines on the same models, in the shape of the tables people publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from engines.bench.alternation import in_turns
from engines.bench.context import ContextResult, measure_context
from engines.bench.figures import Run, median, ratio
from engines.bench.filler_text import OPENING, filler_ids
from engines.bench.prefill import PROMPT_TOKENS
from engines.bench.time_limit import TimeLimit
from engines.bench.workbench import Workbench
from engines.errors import EngineError
from engines.types import LoadRequest

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ModelOnTwoEngines:
    """One model, or two builds of it, on two engines; a side that refuses it has no figures.

    Args:
        title: The model as the tables name it.
        generation, prefill, context: By engine.
        refused: Why an engine does not run it, by engine.
    """

    title: str
    engines: tuple[str, str]
    quantization: Mapping[str, str]
    generation: Mapping[str, Sequence[Run]]
    prefill: Mapping[int, Mapping[str, Sequence[Run]]]
    context: Mapping[str, ContextResult]
    refused: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        decode = {
            name: median(r.decode_tps for r in runs) for name, runs in self.generation.items()
        }
        return {
            "title": self.title,
            "engines": list(self.engines),
            "quantization": dict(self.quantization),
            "decode_tps": decode,
            "effective_tps": {
                name: median(r.effective_tps for r in runs)
                for name, runs in self.generation.items()
            },
            "advantage": self._advantage(decode),
            "prefill": [
                self._prefill_json(tokens, sides) for tokens, sides in self.prefill.items()
            ],
            "context": {name: result.to_json() for name, result in self.context.items()},
            "refused": dict(self.refused),
        }

    def _prefill_json(self, tokens: int, sides: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
        speeds = {name: median(run.prefill_tps for run in runs) for name, runs in sides.items()}
        ttft_s = {name: median(run.ttft_s for run in runs) for name, runs in sides.items()}
        return {
            "prompt_tokens": tokens,
            "prefill_tps": speeds,
            "ttft_s": ttft_s,
            "advantage": self._advantage(speeds),
        }

    def _advantage(self, speeds: Mapping[str, float | None]) -> float | None:
        """How much faster the first engine is: 0.2 for 20 %, less than 0 where it is slower."""
        first, second = self.engines
        faster = ratio(speeds.get(first), speeds.get(second))
        return None if faster is None else faster - 1


def compare_model(
    title: str,
    requests: tuple[LoadRequest, LoadRequest],
    tokens: int,
    repeat: int,
    time_limit_s: float,
    report: Report = lambda line: None,
) -> ModelOnTwoEngines:
    """Measure one model on both engines, in turns; `requests` name it for each of them."""
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        benches: dict[str, Workbench] = {}
        for request in requests:
            try:
                benches[request.engine] = stack.enter_context(Workbench(request))
            except EngineError as error:
                refused[request.engine] = error.message
        report(f"{title}: generation")
        generation = _measure_generation(benches, tokens, repeat)
        report(f"{title}: prefill")
        prefill = _measure_prefill(benches, repeat, time_limit_s)
        quantization = {name: bench.info.quantization for name, bench in benches.items()}
    context = {
        request.engine: measure_context(request, tokens // 4, 1, time_limit_s, report=report)
        for request in requests
        if request.engine not in refused
    }
    engines = (requests[0].engine, requests[1].engine)
    return ModelOnTwoEngines(title, engines, quantization, generation, prefill, context, refused)


def _measure_generation(
    benches: Mapping[str, Workbench], tokens: int, repeat: int
) -> dict[str, list[Run]]:
    prompts = {name: bench.encode(OPENING) for name, bench in benches.items()}
    for name, bench in benches.items():
        bench.run_ours(prompts[name], 16)
    return _take_turns(benches, repeat, lambda name: benches[name].run_ours(prompts[name], tokens))


def _measure_prefill(
    benches: Mapping[str, Workbench], repeat: int, time_limit_s: float
) -> dict[int, dict[str, list[Run]]]:
    limit, rows = TimeLimit(time_limit_s), dict[int, dict[str, list[Run]]]()
    window = min((bench.info.context_window_tokens for bench in benches.values()), default=0)
    for wanted_tokens in PROMPT_TOKENS:
        length = min(wanted_tokens, window - 8)
        if length < 0.9 * wanted_tokens or not limit.allows(repeat * length):
            break
        prompts = {
            name: filler_ids(bench.encode, length, seed=length) for name, bench in benches.items()
        }

        def run(name: str, prompts: Mapping[str, list[int]] = prompts) -> Run:
            return benches[name].run_ours(prompts[name], 1)

        started_s = time.monotonic()
        rows[length] = _take_turns(benches, repeat, run)
        limit.note(repeat * length, time.monotonic() - started_s)
    return rows


def _take_turns(
    benches: Mapping[str, Workbench], repeat: int, run: Callable[[str], Run]
) -> dict[str, list[Run]]:
    names = list(benches)
    if len(names) < 2:
        return {name: [run(name) for _ in range(repeat)] for name in names}
    first, second = names
    return dict(zip(names, in_turns(repeat, lambda: run(first), lambda: run(second)), strict=True))
