"""Random models small enough to write on the spot."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from tests.engines.model_files.gguf_writer import F32, Q8_0, gguf, tensor

F16, Q4_0, BF16 = 1, 2, 30
VOCABULARY = 96
HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD, LAYERS = 64, 4, 2, 16, 96, 2


class TinyGguf:
    """Writes a random model of a known architecture as GGUF, with a byte vocabulary."""

    def __init__(self, architecture: str, element_type: str = "F32", seed: int = 1) -> None:
        self.architecture = architecture
        self.element_type = element_type
        self.pre = "qwen2"
        self.metadata: dict[str, Any] = {}
        self.tensors = self._random_tensors(np.random.default_rng(seed))

    def write(self, path: Path) -> Path:
        infos: list[bytes] = []
        data = b""
        for name, array in self.tensors.items():
            type_id, content = self._encoded(array)
            infos.append(tensor(name, array.shape[::-1], type_id, len(data)))
            data += content + bytes(-len(content) % 32)
        path.write_bytes(gguf(self._keys() | self.metadata, infos) + data)
        return path

    def _keys(self) -> dict[str, Any]:
        letters = [chr(0x21 + index) for index in range(VOCABULARY - 3)]
        texts = [*letters, letters[1] + letters[2], "<|a|>", "<|im_end|>"]
        own = {
            "context_length": 256,
            "embedding_length": HIDDEN,
            "block_count": LAYERS,
            "feed_forward_length": FEED_FORWARD,
            "attention.head_count": HEADS,
            "attention.head_count_kv": KV_HEADS,
            "attention.key_length": HEAD_DIM,
            "attention.value_length": HEAD_DIM,
            "attention.layer_norm_rms_epsilon": 1e-6,
            "rope.freq_base": 10_000.0,
            "rope.dimension_count": HEAD_DIM,
        }
        return {
            "general.architecture": self.architecture,
            "general.name": "tiny",
            **{f"{self.architecture}.{key}": value for key, value in own.items()},
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": self.pre,
            "tokenizer.ggml.tokens": texts,
            "tokenizer.ggml.merges": [f"{letters[1]} {letters[2]}"],
            "tokenizer.ggml.eos_token_id": VOCABULARY - 1,
            "tokenizer.ggml.bos_token_id": VOCABULARY - 2,
        }

    def _random_tensors(self, random: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
        def matrix(rows: int, columns: int) -> np.ndarray[Any, Any]:
            return (random.standard_normal((rows, columns)) / math.sqrt(columns)).astype("f4")

        def vector(size: int) -> np.ndarray[Any, Any]:
            return (1 + 0.2 * random.standard_normal(size)).astype("f4")

        tensors = {"token_embd.weight": matrix(VOCABULARY, HIDDEN) * 4}
        tensors["output_norm.weight"] = vector(HIDDEN)
        tensors["output.weight"] = matrix(VOCABULARY, HIDDEN) * 3
        for layer in range(LAYERS):
            block = {
                "attn_norm": vector(HIDDEN),
                "attn_q": matrix(HEADS * HEAD_DIM, HIDDEN) * 2,
                "attn_k": matrix(KV_HEADS * HEAD_DIM, HIDDEN) * 2,
                "attn_v": matrix(KV_HEADS * HEAD_DIM, HIDDEN),
                "attn_output": matrix(HIDDEN, HEADS * HEAD_DIM),
                "ffn_norm": vector(HIDDEN),
                "ffn_gate": matrix(FEED_FORWARD, HIDDEN),
                "ffn_up": matrix(FEED_FORWARD, HIDDEN),
                "ffn_down": matrix(HIDDEN, FEED_FORWARD),
            }
            if self.architecture == "qwen3":
                block |= {"attn_q_norm": vector(HEAD_DIM), "attn_k_norm": vector(HEAD_DIM)}
            tensors |= {f"blk.{layer}.{name}.weight": array for name, array in block.items()}
            if self.architecture == "qwen2":
                for name, size in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
                    tensors[f"blk.{layer}.attn_{name}.bias"] = vector(size * HEAD_DIM)
        return tensors

    def _encoded(self, array: np.ndarray[Any, Any]) -> tuple[int, bytes]:
        if self.element_type == "F32" or array.ndim == 1:
            return F32, array.tobytes()
        if self.element_type == "F16":
            return F16, array.astype("f2").tobytes()
        if self.element_type == "BF16":
            return BF16, (array.view("u4") >> 16).astype("u2").tobytes()
        blocks = array.reshape(-1, 32)
        if self.element_type == "Q4_0":
            return Q4_0, _four_bit(blocks)
        scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype("f2")
        values = np.round(blocks / scales.astype("f4")).clip(-127, 127).astype("i1")
        packed = np.concatenate([scales.view("u1"), values.view("u1")], axis=1)
        return Q8_0, packed.tobytes()


def _four_bit(blocks: np.ndarray[Any, Any]) -> bytes:
    """Q4_0: a half-precision scale, then 16 bytes with elements i and i + 16 in one."""
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 8).astype("f2")
    values = (np.round(blocks / scales.astype("f4")) + 8).clip(0, 15).astype("u1")
    packed = values[:, :16] | (values[:, 16:] << 4)
    return np.concatenate([scales.view("u1"), packed], axis=1).tobytes()
