"""The guide's rows on published models: what fits on 32 GB, mixtures, best models for every Mac.

Tolerances: sizes 12 %, where the guide's GB are GiB; verdicts exact; contexts at least as long;
speeds by whether the ranges overlap. The rows that disagree are named here and in `docs/fit.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engines.described_machine import parse_machine
from engines.fit import Fit, fit_model
from engines.fit_question import FitQuestion, Verdict
from profiles.catalogue import load_catalogue

CATALOGUE = load_catalogue()
SIZE_TOLERANCE = 0.12
GIB = 2**30
M4, M4_PRO, M4_MAX = "M4 32GB", "M4 Pro 48GB", "M4 Max 128GB"
FITS, TIGHT, NO = Verdict.FITS, Verdict.TIGHT, Verdict.NO


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the guide; no speed where it says that the model does not fit."""

    machine: str
    model: str
    quantization: str
    size_gib: float
    tps: tuple[float, float] | None
    verdict: Verdict
    context_tokens: int = 8192
    engine: str = "llama.cpp"

    def fit(self, context_tokens: int = 8192) -> Fit:
        model = CATALOGUE.models[self.model]
        weights = model.weights_in(self.quantization)
        question = FitQuestion(model.shape, weights, context_tokens, engine=self.engine)
        return fit_model(question, parse_machine(self.machine))


ROWS = [
    Row(M4, "Llama-3.1-8B-Instruct", "Q4_K_M", 4.6, (25, 30), FITS, 65_536),
    Row(M4, "Qwen3.5-9B", "Q5_K_M", 6.5, (18, 28), FITS, 65_536),
    Row(M4, "Qwen3.5-9B", "Q4_K_M", 5.5, (22, 32), FITS, 65_536),
    Row(M4, "DeepSeek-R1-Distill-Qwen-14B", "Q4_K_M", 8.0, (15, 20), FITS, 32_768),
    Row(M4, "gpt-oss-20b", "Q4_K_M", 11.5, (10, 18), FITS, 32_768),
    Row(M4, "Qwen2.5-Coder-14B-Instruct", "Q4_K_M", 8.0, (15, 25), FITS, 32_768),
    Row(M4, "Gemma-3-12B", "Q4_K_M", 7.0, (20, 30), FITS, 131_072, "mlx"),
    Row(M4, "Gemma-4-26B-A4B", "Q4_K_M", 15, (15, 30), FITS, 16_384),
    Row(M4, "Phi-4", "Q4_K_M", 8.0, (15, 25), FITS, 16_384),
    Row(M4, "Qwen3.5-27B", "Q4_K_M", 15.4, (6, 10), TIGHT),
    Row(M4, "Qwen3.5-35B-A3B", "Q4_K_M", 19, (15, 30), TIGHT, 16_384),
    Row(M4, "Qwen3-30B-A3B", "Q4_K_M", 17, (15, 30), TIGHT, 16_384),
    Row(M4, "Mixtral-8x7B-Instruct-v0.1", "Q4_K_M", 26, (5, 10), TIGHT),
    Row(M4, "Llama-3.3-70B-Instruct", "Q4_K_M", 40, None, NO, 0),
    Row(M4, "Qwen3.5-122B-A10B", "Q4_K_M", 70, None, NO, 0),
    Row(M4, "DeepSeek-V3", "Q4_K_M", 380, None, NO, 0),
    Row(M4_PRO, "Qwen3.5-27B", "Q4_K_M", 15, (15, 25), FITS),
    Row(M4_PRO, "Qwen3.5-9B", "Q8_0", 10, (30, 45), FITS),
    Row(M4_PRO, "Qwen3.5-35B-A3B", "Q4_K_M", 19, (30, 50), FITS),
    Row(M4_PRO, "Qwen2.5-Coder-32B-Instruct", "Q4_K_M", 18, (12, 22), FITS),
    Row(M4_PRO, "gpt-oss-20b", "Q5_K_M", 14, (15, 25), FITS),
    Row(M4_PRO, "Llama-3.3-70B-Instruct", "Q4_K_M", 40, (7, 10), TIGHT),
    Row(M4_MAX, "Llama-3.3-70B-Instruct", "Q6_K", 54, (10, 15), FITS),
    Row(M4_MAX, "Llama-3.3-70B-Instruct", "Q8_0", 69, (8, 12), FITS),
    Row(M4_MAX, "Qwen3.5-35B-A3B", "Q4_K_M", 19, (64, 92), FITS),
    Row(M4_MAX, "Qwen3.5-27B", "Q8_0", 27, (20, 30), FITS),
    Row(M4_MAX, "Qwen3.5-122B-A10B", "Q4_K_M", 70, (10, 20), FITS),
]
OTHER_SIZE = {(M4_PRO, "gpt-oss-20b")}
CALLED_TIGHT = {(M4, "Qwen3.5-27B"), (M4, "Qwen3-30B-A3B")}
OTHER_SPEED = {(M4_PRO, "gpt-oss-20b")}


def named(row: Row) -> str:
    return f"{row.machine}, {row.model} {row.quantization}"


@pytest.fixture(params=ROWS, ids=named)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


def test_the_size(row: Row) -> None:
    ours = row.fit().weights_bytes / GIB
    agrees = ours == pytest.approx(row.size_gib, rel=SIZE_TOLERANCE)
    assert agrees == ((row.machine, row.model) not in OTHER_SIZE)


def test_the_verdict(row: Row) -> None:
    verdict = row.fit().verdict
    if (row.machine, row.model) in CALLED_TIGHT:
        assert (row.verdict, verdict) == (TIGHT, FITS)
    else:
        assert verdict is row.verdict


def test_the_context(row: Row) -> None:
    assert row.fit().largest_window_tokens >= row.context_tokens


def test_the_speed(row: Row) -> None:
    """Of dense models the guide's upper figure is always above its own ceiling."""
    if row.tps is None:
        return
    speed = row.fit().short
    assert speed.decode is not None and speed.ceiling_tps is not None
    low, high = row.tps
    if CATALOGUE.models[row.model].shape.is_mixture:
        overlaps = low <= speed.decode.high_tps and speed.decode.low_tps <= high
        assert overlaps == ((row.machine, row.model) not in OTHER_SPEED)
    else:
        assert high > speed.ceiling_tps
        assert speed.decode.high_tps <= speed.ceiling_tps
