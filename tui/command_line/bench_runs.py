"""Runs the benchmarks of `engines.bench` and puts their figures into records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from engines.bench.comparison import compare_model
from engines.bench.context import measure_context
from engines.bench.decode import measure_decode
from engines.bench.kv import measure_kv
from engines.bench.prefill import measure_prefill
from engines.bench.speculative import measure_speculative
from engines.bench.workbench import Workbench
from engines.errors import EngineError
from engines.hardware import Machine
from engines.types import LoadRequest
from tui.command_line.bench_plan import (
    DEFAULT_MODEL,
    BenchPlan,
    Record,
    Report,
    failed,
    locate,
    record,
    shown_name,
    this_machine,
)

Measure = Callable[[BenchPlan, LoadRequest, Machine, Report], Record]


def run_bench(name: str, plan: BenchPlan, report: Report) -> Iterator[Record]:
    """One record per engine and model, as they are done."""
    machine = this_machine()
    for request in plan.requests(report, needs_draft=name == "speculative"):
        prefix = f"{name}, {request.engine}, {shown_name(request.model)}"
        report(f"{prefix}: loading")

        def say(line: str, prefix: str = prefix) -> None:
            report(f"{prefix}: {line}")

        try:
            figures = BENCHES[name](plan, request, machine, say)
        except EngineError as error:
            yield failed(name, request, error, machine)
        else:
            yield record(name, request, figures, machine)


def run_comparison(
    engines: tuple[str, str], models: Sequence[str], plan: BenchPlan, report: Report
) -> Iterator[Record]:
    """One record per model; an MLX folder and a GGUF file given together are one model."""
    machine = this_machine()
    for pair in _paired(models or (DEFAULT_MODEL,), engines):
        located = [locate(model, report) for model in pair]
        first, second = (
            LoadRequest(engine, path) for engine, path in zip(engines, located, strict=True)
        )
        title = " | ".join(dict.fromkeys(shown_name(path) for path in located))
        result = compare_model(
            title, (first, second), plan.tokens, plan.repeat or 3, plan.time_limit_s, report
        )
        yield {"bench": "compare", **result.to_json(), "machine": machine.to_json()}


def _paired(models: Sequence[str], engines: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Each model for both engines, or two builds of one side by side: only MLX reads folders."""
    if len(models) == 2 and _is_file(models[0]) != _is_file(models[1]):
        folder, file = sorted(models, key=_is_file)
        yield (folder, file) if engines[0] == "mlx" else (file, folder)
        return
    for model in models:
        yield model, model


def _is_file(model: str) -> bool:
    return model.startswith(("demo:", "random:")) or model.endswith(".gguf")


def _decode(plan: BenchPlan, request: LoadRequest, machine: Machine, report: Report) -> Record:
    with Workbench(request, open_loop=plan.open_loop) as bench:
        result = measure_decode(
            bench, plan.tokens, plan.repeat, machine.memory_bandwidth_bytes_per_s, report
        )
        return _of_model(bench) | result.to_json()


def _prefill(plan: BenchPlan, request: LoadRequest, machine: Machine, report: Report) -> Record:
    with Workbench(request) as bench:
        result = measure_prefill(bench, plan.repeat or 3, plan.time_limit_s, report)
        return _of_model(bench) | result.to_json()


def _speculative(plan: BenchPlan, request: LoadRequest, machine: Machine, report: Report) -> Record:
    with Workbench(request, open_loop=plan.open_loop) as bench:
        result = measure_speculative(bench, plan.tokens, plan.repeat or 2, report)
        return _of_model(bench) | result.to_json()


def _kv(plan: BenchPlan, request: LoadRequest, machine: Machine, report: Report) -> Record:
    return measure_kv(request, plan.repeat or 3, plan.cycles, plan.time_limit_s, report).to_json()


def _context(plan: BenchPlan, request: LoadRequest, machine: Machine, report: Report) -> Record:
    result = measure_context(
        request, plan.tokens, plan.repeat or 1, plan.time_limit_s, report=report
    )
    return result.to_json()


def _of_model(bench: Workbench) -> Record:
    info = bench.info
    return {
        "model_name": info.name,
        "quantization": info.quantization,
        "parameters": info.parameters,
        "weights_bytes": info.weights_bytes,
        "kv_type": info.kv_type,
        "context_window_tokens": info.context_window_tokens,
        "load_s": bench.load_s,
    }


BENCHES: dict[str, Measure] = {
    "decode": _decode,
    "prefill": _prefill,
    "speculative": _speculative,
    "kv": _kv,
    "context": _context,
}
