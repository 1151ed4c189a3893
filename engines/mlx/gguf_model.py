"""GGUF files on MLX: their tensors under mlx_lm's names, in the form this device is fast with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.nn.layers.quantized import quantize

from engines.errors import ModelLoadError
from engines.mlx.device import Device
from engines.mlx.gguf_config import ELSEWHERE, check_supported, read_config
from engines.mlx.gguf_tokenizer import read_tokenizer
from engines.mlx.library import import_mlx_lm
from engines.mlx.loaded_model import LoadedModel, ModelPlan, element_bytes, kv_bytes_per_token
from engines.mlx.parameters import lay_out_for_cpu
from engines.mlx.tokenizer import Tokenizer
from engines.model_files.gguf import read_header

Weights = dict[str, mx.array]

_GROUP_SIZE = 32
GGUF_MODULES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_ROPE_FACTORS = "rope_freqs.weight"


def plan_gguf(path: Path, device: Device) -> ModelPlan:
    """Check a GGUF file and say what it will take, from its header alone.

    Raises:
        ModelLoadError: the file is damaged, or of a kind the MLX engine does not run.
    """
    header = read_header(path)
    check_supported(header)
    config = read_config(header)
    in_float32 = device.computes_in_float32
    head_dim = config["head_dim"]
    return ModelPlan(
        path=path,
        name=header.name or path.stem,
        architecture=header.architecture,
        quantization=header.quantization + ("→f32" if in_float32 else ""),
        weights_bytes=header.parameters * 4 if in_float32 else header.weights_bytes,
        kv_bytes_per_token=kv_bytes_per_token(
            config["num_hidden_layers"],
            config["num_key_value_heads"],
            head_dim,
            head_dim,
            element_bytes(in_float32),
        ),
        context_window_tokens=config["max_position_embeddings"],
        parameters=header.parameters,
    )


def load_gguf(path: Path, device: Device) -> LoadedModel:
    """Read a GGUF file that `plan_gguf` has accepted.

    Raises:
        ModelLoadError: its tensors do not fit its metadata, or its vocabulary is unusable.
    """
    config = read_config(read_header(path))
    tensors, metadata = _read_arrays(path)
    tokenizer = read_tokenizer(metadata)
    rope_factors = tensors.pop(_ROPE_FACTORS, None)
    weights = {_mlx_name(name): array for name, array in tensors.items()}
    del tensors
    weights = (
        _dequantized(weights, mx.float32) if device.computes_in_float32 else _in_one_dtype(weights)
    )
    network = _build(config, weights)
    if rope_factors is not None:
        _scale_rope(network, config, rope_factors)
    if device.computes_in_float32:
        lay_out_for_cpu(network)
    mx.eval(network.parameters())
    return LoadedModel(network, tokenizer, config["vocab_size"])


def read_dense(path: Path, dtype: mx.Dtype) -> tuple[Any, dict[str, Any], Tokenizer]:
    """What a model folder is written from: the network in one element type, its `config.json`
    and its tokenizer.

    Raises:
        ModelLoadError: the MLX engine does not read the file, or a folder could not say it all.
    """
    header = read_header(path)
    check_supported(header)
    config = read_config(header)
    tensors, metadata = _read_arrays(path)
    if _ROPE_FACTORS in tensors:
        raise ModelLoadError(
            f"{path.name} has rope factors that a model folder cannot hold.",
            "Convert the original repository with its safetensors files.",
        )
    weights = _dequantized({_mlx_name(name): array for name, array in tensors.items()}, dtype)
    return _build(config, weights), config, read_tokenizer(metadata)


def _read_arrays(path: Path) -> tuple[Weights, dict[str, Any]]:
    contents: Any = mx.load(str(path), format="gguf", return_metadata=True)
    return contents[0], contents[1]


def _mlx_name(name: str) -> str:
    """`blk.3.attn_q.weight` is `model.layers.3.self_attn.q_proj.weight` in mlx_lm."""
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias|scales|biases)", name)
    if match is None or match[2] not in GGUF_MODULES:
        raise ModelLoadError(f"The MLX engine has no use for the tensor {name}.", ELSEWHERE)
    layer = f"model.layers.{match[1]}." if match[1] is not None else ""
    return f"{layer}{GGUF_MODULES[match[2]]}.{match[3]}"


def _dequantized(weights: Weights, dtype: mx.Dtype) -> Weights:
    """Every tensor in `dtype`; float32 is exact: a Q8_0 or Q4 element has fewer bits."""
    dense: Weights = {}
    for name, array in weights.items():
        stem, kind = name.rsplit(".", 1)
        if kind in ("scales", "biases"):
            continue
        if kind == "weight" and f"{stem}.scales" in weights:
            scales = weights[f"{stem}.scales"].astype(mx.float32)
            biases = weights[f"{stem}.biases"].astype(mx.float32)
            array = mx.dequantize(
                array, scales, biases, group_size=_GROUP_SIZE, bits=_bits(array, scales)
            )
        dense[name] = array.astype(dtype)
        mx.eval(dense[name])
    return dense


def _in_one_dtype(weights: Weights) -> Weights:
    """Norms and biases in the type of the matrices, so that activations are not widened."""
    embedding = weights["model.embed_tokens.weight"]
    scales = weights.get("model.embed_tokens.scales", embedding)
    return {
        name: array if array.dtype == mx.uint32 else array.astype(scales.dtype)
        for name, array in weights.items()
    }


def _build(config: dict[str, Any], weights: Weights) -> Any:
    architecture = import_mlx_lm(f"models.{config['model_type']}")
    network = architecture.Model(architecture.ModelArgs.from_dict(config))

    def quantization(path: str, module: Module) -> bool | dict[str, int]:
        scales = weights.get(f"{path}.scales")
        if scales is None:
            return False
        return {"group_size": _GROUP_SIZE, "bits": _bits(weights[f"{path}.weight"], scales)}

    quantize(network, _GROUP_SIZE, 8, class_predicate=quantization)
    network.eval()
    try:
        network.load_weights(list(weights.items()), strict=True)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelLoadError(
            f"The GGUF file's tensors do not make a {config['model_type']} model: {reason}",
            "Download the file again.",
        ) from error
    return network


def _bits(packed: mx.array, scales: mx.array) -> int:
    """Bits per element, from 32-bit words per row and groups per row."""
    return int(packed.shape[-1]) * 32 // (int(scales.shape[-1]) * _GROUP_SIZE)


class _ScaledRope:
    """Rotary embedding with a factor per frequency (llama 3.1 and later)."""

    def __init__(self, dims: int, base: float, traditional: bool, factors: mx.array) -> None:
        self.dims = dims
        self.traditional = traditional
        exponents = mx.arange(0, dims, 2, dtype=mx.float32) / dims
        self._freqs = base**exponents * factors.astype(mx.float32)

    def __call__(self, x: mx.array, offset: int = 0) -> mx.array:
        return mx.fast.rope(
            x,
            self.dims,
            traditional=self.traditional,
            base=None,
            scale=1.0,
            offset=offset,
            freqs=self._freqs,
        )


def _scale_rope(network: Any, config: dict[str, Any], factors: mx.array) -> None:
    if factors.size != config["head_dim"] // 2:
        raise ModelLoadError(
            "The GGUF file's rope factors do not fit its heads.", "Download the file again."
        )
    rope = _ScaledRope(
        config["head_dim"], config["rope_theta"], config["rope_traditional"], factors
    )
    for layer in network.layers:
        layer.self_attn.rope = rope
