"""What is counted from a folder's small files is what mlx_lm then holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.mlx.folder_model import load_folder, plan_folder
from engines.mlx.loading import measure_cache
from engines.model_files.folder_shape import read_folder_model
from tests.engines.mlx.conftest import CPU
from tests.engines.mlx.test_drafts_taken_back import GPT_OSS, LFM2
from tests.engines.mlx.test_engine import RECURRENT, SLIDING

pytestmark = pytest.mark.model

CONTEXT_TOKENS = 500
KINDS = {
    "qwen3": {},
    "gemma3": SLIDING,
    "gpt_oss": GPT_OSS,
    "qwen3_next": RECURRENT,
    "lfm2": LFM2 | {"layer_types": ["conv", "full_attention"]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_kv_cache_are_counted_rightly(
    kind: str, mlx_folder: Callable[..., Path]
) -> None:
    folder = mlx_folder(**KINDS[kind])
    shape, weights = read_folder_model(folder)
    model = load_folder(folder, CPU)
    assert shape.parameters == pytest.approx(model.parameters, rel=1e-4)
    assert weights.is_exact
    growth = measure_cache(model)
    held = growth.elements_per_token * CONTEXT_TOKENS * growth.element_bytes + growth.fixed_bytes
    stored = shape.kv_cache_bytes(CONTEXT_TOKENS, "f32")
    assert stored == pytest.approx(held, rel=0.02)
    plan = plan_folder(folder, CPU)
    planned = plan.kv_bytes_per_token * CONTEXT_TOKENS + plan.kv_fixed_bytes
    assert planned == pytest.approx(held, rel=0.02)


def test_a_mixture_reads_only_the_experts_it_uses(mlx_folder: Callable[..., Path]) -> None:
    folder = mlx_folder(**GPT_OSS)
    shape, weights = read_folder_model(folder)
    experts = json.loads((folder / "config.json").read_text())["num_local_experts"]
    assert experts == 2
    assert shape.active_parameters < shape.parameters
    assert weights.bytes_per_token < weights.total_bytes
    assert shape.is_mixture
