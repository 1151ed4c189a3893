"""Random-weight models as MLX folders, quantized to 4 bits: the shapes of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.nn.layers.quantized import quantize
from mlx.utils import tree_flatten

from engines.bench.random_model import CONTEXT_WINDOW_TOKENS, SHAPES, Shape
from engines.demo import demo_model_path
from engines.mlx.device import current_device
from engines.mlx.gguf_model import load_gguf
from engines.mlx.library import import_mlx_lm

GROUP_SIZE, BITS = 64, 4


def random_folder(size: str, folder: Path) -> Path:
    """The folder of the model `size`, a key of `SHAPES`, written where missing."""
    path = folder / f"random-{size}-{BITS}bit"
    if (path / "model.safetensors").exists():
        return path
    path.mkdir(parents=True, exist_ok=True)
    demo_path = demo_model_path("demo:draft")
    assert demo_path is not None
    demo = load_gguf(demo_path, current_device())
    shape = SHAPES[size]
    config = _config(shape, max(shape.vocabulary, demo.vocabulary_size))
    demo.tokenizer.encoder.save(str(path / "tokenizer.json"))
    settings = {"eos_token": "<|im_end|>", "chat_template": demo.tokenizer.chat_template}
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    (path / "config.json").write_text(json.dumps(config))
    _write_weights(config, path / "model.safetensors")
    return path


def _config(shape: Shape, vocabulary_size: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "model_type": "qwen3_moe" if shape.experts else "qwen3",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.feed_forward,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "rms_norm_eps": 1e-6,
        "vocab_size": vocabulary_size,
        "max_position_embeddings": CONTEXT_WINDOW_TOKENS,
        "rope_theta": 1_000_000.0,
        "tie_word_embeddings": False,
        "quantization": {"group_size": GROUP_SIZE, "bits": BITS},
    }
    if shape.experts:
        config |= {
            "num_experts": shape.experts,
            "num_experts_per_tok": shape.experts_used,
            "moe_intermediate_size": shape.feed_forward,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "norm_topk_prob": True,
        }
    return config


def _write_weights(config: dict[str, Any], file: Path) -> None:
    architecture = import_mlx_lm(f"models.{config['model_type']}")
    mx.random.seed(1)
    network = architecture.Model(architecture.ModelArgs.from_dict(config))
    network.set_dtype(mx.bfloat16)
    quantize(network, GROUP_SIZE, BITS)
    weights: Any = tree_flatten(network.parameters())
    mx.save_safetensors(str(file), dict(weights), metadata={"format": "mlx"})
