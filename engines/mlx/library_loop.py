"""mlx_lm's own loops, run on the networks that our engine has loaded."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx

from engines.bench.library_loop import LoopTimes
from engines.errors import GenerationError
from engines.mlx.engine import MLXEngine
from engines.mlx.kv_cache import create_kv_cache
from engines.mlx.library import import_mlx_lm
from engines.mlx.model_pair import ModelPair
from engines.speculative.record import SpeculationRecord
from engines.types import LoadRequest

_PASSES = 5


class MLXLibraryLoop:
    """`mlx_lm.generate.generate_step`, which `stream_generate` runs on, without its text.

    Args:
        models: Loaded by our engine; the loops get KV caches of their own.
        record: What our engine learns about drafts.
    """

    name = "mlx_lm generate_step"
    tool_name = ""

    def __init__(self, models: ModelPair, record: SpeculationRecord) -> None:
        self.speculative_name = "mlx_lm speculative_generate_step" if models.draft else ""
        self.end_ids = tuple(sorted(models.target.tokenizer.stop_ids))
        self._models = models
        self._record = record
        self._loops = import_mlx_lm("generate")
        quantization = models.kv_quantization
        self._kv_settings = (
            {}
            if quantization is None
            else {
                "kv_bits": quantization.bits,
                "kv_group_size": quantization.group_size,
                "quantized_kv_start": 0,
            }
        )

    def encode(self, text: str) -> list[int]:
        return self._models.target.tokenizer.encode(text)

    def generate(self, prompt_ids: Sequence[int], max_tokens: int) -> LoopTimes:
        network = self._models.target.network
        started_s = time.perf_counter()
        steps = self._loops.generate_step(
            mx.array(list(prompt_ids)), network, max_tokens=max_tokens, **self._kv_settings
        )
        return _collect(((token_id, False) for token_id, _ in steps), started_s)

    def generate_speculatively(self, prompt_ids: Sequence[int], max_tokens: int) -> LoopTimes:
        """At the library's own depth, which is fixed."""
        assert self._models.draft is not None
        started_s = time.perf_counter()
        steps = self._loops.speculative_generate_step(
            mx.array(list(prompt_ids)),
            self._models.target.network,
            self._models.draft.network,
            max_tokens=max_tokens,
            **self._kv_settings,
        )
        return _collect(((token_id, drafted) for token_id, _, drafted in steps), started_s)

    def pass_s(self, rows: int, context_tokens: int) -> float:
        network, cache = self._models.target.network, create_kv_cache(self._models.target.network)
        network(mx.zeros((1, max(1, context_tokens)), dtype=mx.int32), cache=cache.layers)
        mx.eval([layer.state for layer in cache.layers])
        times_s = []
        for _ in range(_PASSES + 1):
            started_s = time.perf_counter()
            mx.eval(network(mx.zeros((1, rows), dtype=mx.int32), cache=cache.layers))
            times_s.append(time.perf_counter() - started_s)
            cache.drop_unconfirmed(rows)
        return statistics.median(times_s[1:])

    def tool_decode_tps(self, tokens: int) -> float:
        raise GenerationError("mlx_lm has no such program.", "Compare with its loop.")

    def unlearn(self) -> None:
        self._record.unlearn()

    def turn_s(self, prompt_tokens: int, context_tokens: int) -> float:
        """In two passes, as `generate_step` has it: all but the last token, then that one."""
        network, cache = self._models.target.network, create_kv_cache(self._models.target.network)

        def read(tokens: int) -> Any:
            return network(mx.zeros((1, tokens), dtype=mx.int32), cache=cache.layers)

        times_s = []
        if context_tokens:
            read(context_tokens)
            mx.eval([layer.state for layer in cache.layers])
        for _ in range(_PASSES + 1):
            started_s = time.perf_counter()
            if prompt_tokens > 1:
                read(prompt_tokens - 1)
                mx.eval([layer.state for layer in cache.layers])
            mx.eval(mx.argmax(read(1)[0, -1]))
            times_s.append(time.perf_counter() - started_s)
            cache.drop_unconfirmed(prompt_tokens)
        return statistics.median(times_s[1:])

    def close(self) -> None:
        """Nothing of its own is kept."""


def open_loop(engine: Any, request: LoadRequest, tools: Path | None = None) -> MLXLibraryLoop:
    assert isinstance(engine, MLXEngine)
    return MLXLibraryLoop(engine.models, engine.speculation)


def _collect(steps: Iterable[tuple[int, bool]], started_s: float) -> LoopTimes:
    token_ids: list[int] = []
    accepted = 0
    first_s = last_s = 0.0
    for token_id, drafted in steps:
        last_s = time.perf_counter() - started_s
        first_s = first_s or last_s
        token_ids.append(int(token_id))
        accepted += bool(drafted)
    return LoopTimes(tuple(token_ids), first_s, last_s, accepted_tokens=accepted)
