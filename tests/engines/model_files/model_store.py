"""Small models laid out as Hugging Face, LM Studio and Ollama lay them out."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from tests.engines.model_files.gguf_writer import F32, gguf, tensor

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def gguf_bytes(architecture: str = "qwen3", **keys: Any) -> bytes:
    """A GGUF file of one small tensor; `keys` with `_` for the first dot: `general_type`."""
    metadata = {
        "general.architecture": architecture,
        "general.size_label": "8B",
        "general.file_type": 15,
        f"{architecture}.context_length": 40960,
        f"{architecture}.block_count": 1,
    } | {key.replace("_", ".", 1): value for key, value in keys.items()}
    metadata["tokenizer.ggml.tokens"] = [f"t{n}" for n in range(600)]
    return gguf(metadata, [tensor("output_norm.weight", [64], F32)], 64 * 4)


def safetensors_bytes(tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    """A safetensors file of zeros: name → (element type, shape)."""
    sizes = {"F32": 4, "BF16": 2, "F16": 2, "U32": 4}
    header: dict[str, Any] = {}
    end = 0
    for name, (kind, shape) in tensors.items():
        size = sizes[kind]
        for length in shape:
            size *= length
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def mlx_files(bits: int | None = 4, **config: Any) -> dict[str, bytes]:
    """The files of an MLX folder of one 64 by 128 matrix, quantized in groups of 64."""
    settings: dict[str, Any] = {"model_type": "qwen3", "max_position_embeddings": 40960} | config
    weights: dict[str, tuple[str, list[int]]] = {"model.embed_tokens.weight": ("BF16", [64, 128])}
    if bits:
        settings["quantization"] = {"bits": bits, "group_size": 64}
        weights = {
            "model.embed_tokens.weight": ("U32", [64, 128 * bits // 32]),
            "model.embed_tokens.scales": ("BF16", [64, 2]),
            "model.embed_tokens.biases": ("BF16", [64, 2]),
        }
    return {
        "config.json": json.dumps(settings).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors": safetensors_bytes(weights),
    }


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_hugging_face(cache: Path, repository: str, files: dict[str, bytes]) -> Path:
    """A repository of one commit, with links into blobs; returns the snapshot."""
    folder = cache / ("models--" + repository.replace("/", "--"))
    snapshot = folder / "snapshots" / COMMIT
    write_files(folder, {"refs/main": COMMIT.encode()})
    for name, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        write_files(folder / "blobs", {digest: content})
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder / "blobs" / digest)
    return snapshot


def write_ollama(root: Path, name: str, content: bytes, **layers: bytes) -> Path:
    """A model with its manifest: `qwen3:8b`; `layers` by kind; returns the model's blob."""
    place, _, tag = name.partition(":")
    described = []
    blobs = {}
    for kind, data in {"model": content, **layers}.items():
        digest = hashlib.sha256(data).hexdigest()
        blobs[kind] = write_files(root / "blobs", {f"sha256-{digest}": data}) / f"sha256-{digest}"
        described.append(
            {
                "mediaType": f"application/vnd.ollama.image.{kind}",
                "digest": f"sha256:{digest}",
                "size": len(data),
            }
        )
    folder = root / "manifests" / "registry.ollama.ai"
    folder = folder / place if "/" in place else folder / "library" / place
    write_files(folder, {tag: json.dumps({"schemaVersion": 2, "layers": described}).encode()})
    return blobs["model"]
