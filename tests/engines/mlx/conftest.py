"""The embedded target on MLX, and tiny models made up on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from engines.demo import demo_model_path
from engines.mlx.device import Device, DeviceKind
from engines.mlx.gguf_model import load_gguf
from engines.mlx.library import import_mlx_lm
from engines.mlx.loaded_model import LoadedModel
from tests.engines.mlx.tiny_gguf import FEED_FORWARD, HEAD_DIM, HEADS, HIDDEN, KV_HEADS, LAYERS

CPU = Device(DeviceKind.CPU, 8 * 2**30)


@pytest.fixture(scope="session")
def demo_target() -> LoadedModel:
    path = demo_model_path("demo:target")
    assert path is not None
    return load_gguf(path, CPU)


@pytest.fixture(scope="session")
def demo_draft() -> LoadedModel:
    path = demo_model_path("demo:draft")
    assert path is not None
    return load_gguf(path, CPU)


@pytest.fixture
def mlx_folder(tmp_path: Path, write_folder: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a tiny random model in the layout of an MLX folder; named settings change its
    config.json."""
    return lambda **changes: write_folder(tmp_path, **changes)


@pytest.fixture(scope="session")
def write_folder(demo_target: LoadedModel) -> Callable[..., Path]:
    """The same below a folder that is given."""

    def write(parent: Path, **changes: Any) -> Path:
        folder = parent / "tiny-mlx"
        folder.mkdir(parents=True)
        config = {
            "model_type": "qwen3",
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "intermediate_size": FEED_FORWARD,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS,
            "head_dim": HEAD_DIM,
            "rms_norm_eps": 1e-6,
            "vocab_size": demo_target.vocabulary_size,
            "max_position_embeddings": 512,
            "rope_theta": 10_000.0,
            "tie_word_embeddings": True,
            "eos_token_id": [8185, 8183],
        } | changes
        (folder / "config.json").write_text(json.dumps(config))
        demo_target.tokenizer.encoder.save(str(folder / "tokenizer.json"))
        settings = {"eos_token": "<|im_end|>", "chat_template": "{{ messages[0].content }}"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        architecture = import_mlx_lm(f"models.{config['model_type']}")
        mx.random.seed(3)
        network = architecture.Model(architecture.ModelArgs.from_dict(config))
        network.set_dtype(mx.bfloat16)
        network.save_weights(str(folder / "model.safetensors"))
        return folder

    return write
