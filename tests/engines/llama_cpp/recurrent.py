"""Writes a Mamba model with random weights: its memory cannot drop its last tokens."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

from engines.model_files.gguf_bytes import GgufBytes
from engines.model_files.locate import locate_model
from tests.engines.model_files.gguf_writer import gguf_raw, tensor, value

WIDTH, INNER, STATE, CONVOLUTION, RANK, BLOCKS = 32, 64, 16, 4, 4, 2


def write_mamba(path: Path, **changes: object) -> Path:
    """With the vocabulary and chat template of the embedded models; `changes` are `mamba.*`."""
    metadata = demo_tokenizer() | {
        "general.architecture": value("mamba"),
        "general.name": value("random-mamba"),
        "mamba.context_length": value(2048),
        "mamba.embedding_length": value(WIDTH),
        "mamba.feed_forward_length": value(0),
        "mamba.attention.head_count": value(0),
        "mamba.block_count": value(BLOCKS),
        "mamba.ssm.conv_kernel": value(CONVOLUTION),
        "mamba.ssm.inner_size": value(INNER),
        "mamba.ssm.state_size": value(STATE),
        "mamba.ssm.time_step_rank": value(RANK),
        "mamba.attention.layer_norm_rms_epsilon": value(1e-5),
    }
    metadata |= {f"mamba.{key}": value(content) for key, content in changes.items()}
    shapes = {"token_embd.weight": (WIDTH, 8192), "output_norm.weight": (WIDTH,)}
    for block in range(BLOCKS):
        shapes |= {f"blk.{block}.{name}": shape for name, shape in BLOCK.items()}
    rng = random.Random(3)
    infos: list[bytes] = []
    data = bytearray()
    for name, shape in shapes.items():
        infos.append(tensor(name, shape, offset=len(data)))
        data += weights(name, shape, rng)
        data += bytes(-len(data) % 32)
    path.write_bytes(gguf_raw(metadata, infos, bytes(data)))
    return path


BLOCK: dict[str, tuple[int, ...]] = {
    "attn_norm.weight": (WIDTH,),
    "ssm_in.weight": (WIDTH, 2 * INNER),
    "ssm_conv1d.weight": (CONVOLUTION, INNER),
    "ssm_conv1d.bias": (INNER,),
    "ssm_x.weight": (INNER, RANK + 2 * STATE),
    "ssm_dt.weight": (RANK, INNER),
    "ssm_dt.bias": (INNER,),
    "ssm_a": (STATE, INNER),
    "ssm_d": (INNER,),
    "ssm_out.weight": (INNER, WIDTH),
}


def weights(name: str, shape: tuple[int, ...], rng: random.Random) -> bytes:
    count = 1
    for length in shape:
        count *= length
    if name.endswith("norm.weight"):
        return array("f", [1.0] * count).tobytes()
    low, high = (-2.0, -0.1) if name.endswith("ssm_a") else (-0.5, 0.5)
    return array("f", (rng.uniform(low, high) for _ in range(count))).tobytes()


def demo_tokenizer() -> dict[str, bytes]:
    """The `tokenizer.*` values of the embedded models, as they stand in the file."""
    content = locate_model("demo:draft").read_bytes()
    found: dict[str, bytes] = {}
    with locate_model("demo:draft").open("rb") as file:
        source = GgufBytes(file, len(content))
        source.u64()
        source.u64()
        for _ in range(source.u64()):
            key = source.string()
            start = source.position
            source.value()
            if key.startswith("tokenizer."):
                found[key] = content[start : source.position]
    return found
