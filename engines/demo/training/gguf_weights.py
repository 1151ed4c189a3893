"""Tensor names and weights between Hugging Face's layout and GGUF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGUFReader, dequantize

Weights = dict[str, npt.NDArray[np.float32]]
LAYER_TENSORS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
LAYER_NAMES = {gguf: name for name, gguf in LAYER_TENSORS.items()}
OTHER_TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
}
OTHER_NAMES = {gguf: name for name, gguf in OTHER_TENSORS.items()}


def gguf_name(name: str) -> str:
    """`model.layers.0.mlp.up_proj.weight` -> `blk.0.ffn_up.weight`."""
    if name in OTHER_TENSORS:
        return OTHER_TENSORS[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER_TENSORS[rest.removesuffix('.weight')]}.weight"


def hugging_face_name(name: str) -> str:
    """The inverse of `gguf_name`."""
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    _, layer, tensor, _ = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[tensor]}.weight"


def read_gguf_weights(path: Path) -> Weights:
    """All tensors of a GGUF file of this recipe in float32, under Hugging Face's names."""
    return {
        hugging_face_name(tensor.name): dequantize(tensor.data, tensor.tensor_type).astype(
            np.float32
        )
        for tensor in GGUFReader(path).tensors
    }
