"""What a benchmark runs on: engines, models and the machine, from the command's options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engines.bench.compared_engine import OpenLoop
from engines.bench.library_loop import open_library_loop
from engines.bench.random_model import PREFIX, random_model_path
from engines.demo import DEMO_MODELS
from engines.errors import EngineError
from engines.hardware import Machine, read_machine
from engines.registry import why_unavailable
from engines.self_check import installed_versions
from engines.types import LoadRequest
from tui.command_line.failure import Failure
from tui.paths import app_paths

MEASURED_ENGINES = ("mlx", "llama.cpp")
DEFAULT_MODEL = "demo:target"
DEMO_DRAFT = "demo:draft"

Record = dict[str, Any]
"""One result as JSON: `bench`, `engine`, `model`, its figures, and the `machine`."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """The options that every benchmark shares.

    Args:
        engines: Empty takes all that are available.
        models: As the user named them; empty takes the embedded target.
        draft: A model, `auto` or `off`.
        repeat: Runs of each; None leaves it to the benchmark.
        time_limit_s: For what grows without end: long prompts and contexts.
        cycles: Loads and unloads by which the KV benchmark sees memory grow.
        tools: Folder of llama.cpp's own programs, to compare with; None leaves them out.
    """

    engines: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    draft: str = "auto"
    tokens: int = 256
    repeat: int | None = None
    time_limit_s: float = 120.0
    kv_type: str = "f16"
    cycles: int = 20
    tools: Path | None = None

    @property
    def open_loop(self) -> OpenLoop:
        """Finds the library's loop, and its programs where they were built."""
        return partial(open_library_loop, tools=self.tools)

    def requests(self, report: Report, needs_draft: bool = False) -> Iterator[LoadRequest]:
        """Every model on every engine; a random model is written when its turn comes."""
        for engine in self._available(report):
            for model in self.models or (DEFAULT_MODEL,):
                draft = self._draft_of(model, report) if needs_draft else None
                yield LoadRequest(
                    engine, locate(model, report), draft_model=draft, kv_type=self.kv_type
                )

    def _available(self, report: Report) -> Iterator[str]:
        """Raises Failure where an engine that was asked for, or every one, is missing."""
        found = False
        for engine in self.engines or MEASURED_ENGINES:
            reason = why_unavailable(engine)
            if reason is None:
                found = True
                yield engine
            elif self.engines:
                raise reason
            else:
                report(f"{engine} is left out: {reason.message}")
        if not found:
            raise Failure("No engine is installed.", "Run llm-tui doctor.")

    def _draft_of(self, model: str, report: Report) -> str | None:
        if self.draft == "auto":
            return DEMO_DRAFT if model == DEFAULT_MODEL else None
        return None if self.draft == "off" else locate(self.draft, report)


def locate(model: str, report: Report) -> str:
    """`model`, or the file of a random one in the cache folder."""
    if not model.startswith(PREFIX):
        return model
    return str(random_model_path(model, app_paths().cache / "bench", report))


def shown_name(model: str) -> str:
    """How tables name a model: an embedded one by its name, others by their file's."""
    return model if model in DEMO_MODELS else Path(model).stem


def this_machine() -> Machine:
    return read_machine(app_paths().cache)


def record(bench: str, request: LoadRequest, figures: Record, machine: Machine) -> Record:
    """A result with what it was measured on."""
    return {
        "bench": bench,
        "engine": request.engine,
        "model": shown_name(request.model),
        "draft_model": shown_name(request.draft_model) if request.draft_model else None,
        **figures,
        "versions": installed_versions(request.engine),
        "machine": machine.to_json(),
    }


def failed(bench: str, request: LoadRequest, error: EngineError, machine: Machine) -> Record:
    """In place of figures where a model does not run on an engine."""
    reason = " ".join(part for part in (error.message, error.hint) if part)
    return record(bench, request, {"error": reason}, machine)
