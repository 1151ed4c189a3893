"""4-bit AWQ weights run on MLX, which repacks them when it loads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.mlx.folder_model import load_folder
from tests.engines.mlx.conftest import CPU

pytestmark = pytest.mark.model

GROUP = 32
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Where AutoAWQ puts the eight numbers of a 32-bit word."""

Words = NDArray[np.uint32]


def packed(numbers: Words) -> Words:
    words = np.zeros((numbers.shape[0], numbers.shape[1] // 8), np.uint32)
    for place, column in enumerate(AWQ_ORDER):
        words |= numbers[:, column::8] << np.uint32(4 * place)
    return words


def test_a_4_bit_awq_folder_answers_as_its_dense_weights(
    tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    dense, awq = (write_folder(tmp_path / name) for name in ("dense", "awq"))
    settings = json.loads((awq / "config.json").read_text())
    settings["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": GROUP}
    (awq / "config.json").write_text(json.dumps(settings))
    stored = mx.load(str(dense / "model.safetensors"))
    assert isinstance(stored, dict)
    plain: dict[str, mx.array] = {}
    words: dict[str, mx.array] = {}
    for name, weights in stored.items():
        if "proj" not in name:
            plain[name], words[name] = weights, weights.astype(mx.float16)
            continue
        values = np.array(weights.astype(mx.float32))
        groups = values.reshape(len(values), -1, GROUP)
        scales = (np.ptp(groups, axis=-1) / 15).astype(np.float16)
        wide = scales.astype(np.float32)
        zeros = np.clip(np.round(-groups.min(-1) / wide), 0, 15)
        numbers = np.clip(np.round(groups / wide[..., None] + zeros[..., None]), 0, 15)
        restored = (numbers - zeros[..., None]) * wide[..., None]
        plain[name] = mx.array(restored.reshape(values.shape))
        stem = name.removesuffix(".weight")
        words[f"{stem}.qweight"] = mx.array(packed(numbers.reshape(values.shape).T.astype("u4")))
        words[f"{stem}.qzeros"] = mx.array(packed(zeros.T.astype("u4")))
        words[f"{stem}.scales"] = mx.array(scales.T)
    mx.save_safetensors(str(dense / "model.safetensors"), plain)
    mx.save_safetensors(str(awq / "model.safetensors"), words)
    token_ids = mx.array([[5, 9, 100, 7]])
    expected = np.array(load_folder(dense, CPU).network(token_ids))
    answer = np.array(load_folder(awq, CPU).network(token_ids))
    assert np.abs(answer - expected).max() < 0.01 * np.abs(expected).max()
