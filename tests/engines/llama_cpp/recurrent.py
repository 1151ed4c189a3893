"""Writes models with random weights whose memory holds more than keys and values.

Mamba keeps nothing but a state, LFM2 and Qwen3.5 keep one beside their attention layers.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engines.model_files.gguf_bytes import GgufBytes
from engines.model_files.locate import locate_model
from tests.engines.model_files.gguf_writer import gguf_raw, tensor, value

WIDTH, INNER, STATE, CONVOLUTION, RANK, BLOCKS = 32, 64, 16, 4, 4, 2
HEADS, FEED_FORWARD = 2, 64


def write_mamba(path: Path, **changes: object) -> Path:
    """With the vocabulary and chat template of the embedded models; `changes` are `mamba.*`."""
    settings: dict[str, object] = {
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "ssm.conv_kernel": CONVOLUTION,
        "ssm.inner_size": INNER,
        "ssm.state_size": STATE,
        "ssm.time_step_rank": RANK,
    }
    return write_random(path, "mamba", settings | changes, [BLOCK] * BLOCKS)


def write_lfm2(path: Path) -> Path:
    """A short convolution, then attention."""
    settings: dict[str, object] = {
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": HEADS,
        "attention.head_count_kv": [0, HEADS],
        "shortconv.l_cache": 3,
        "rope.freq_base": 10_000.0,
    }
    convolution = {
        "shortconv.conv.weight": (3, WIDTH),
        "shortconv.in_proj.weight": (WIDTH, 3 * WIDTH),
        "shortconv.out_proj.weight": (WIDTH, WIDTH),
    }
    blocks = [part | FEED | {"ffn_norm.weight": (WIDTH,)} for part in (convolution, attention())]
    return write_random(path, "lfm2", settings, blocks, "token_embd_norm")


def write_qwen35(path: Path, predicted: int = 0, foresees: bool = False) -> Path:
    """A gated delta net, attention, and `predicted` blocks that predict a token further ahead.

    Args:
        foresees: Token follows token in a fixed order, which the predicting block knows too.
    """
    settings: dict[str, object] = {
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": HEADS,
        "attention.head_count_kv": HEADS,
        "attention.key_length": WIDTH // HEADS,
        "attention.value_length": WIDTH // HEADS,
        "rope.dimension_count": 8,
        "rope.dimension_sections": [2, 1, 1, 0],
        "rope.freq_base": 10_000.0,
        "full_attention_interval": 2,
        "ssm.conv_kernel": CONVOLUTION,
        "ssm.inner_size": 2 * STATE,
        "ssm.state_size": STATE,
        "ssm.time_step_rank": 2,
        "ssm.group_count": 2,
    }
    channels = 6 * STATE
    delta_net = {
        "attn_qkv.weight": (WIDTH, channels),
        "attn_gate.weight": (WIDTH, 2 * STATE),
        "ssm_conv1d.weight": (CONVOLUTION, channels),
        "ssm_dt.bias": (2,),
        "ssm_a": (2,),
        "ssm_beta.weight": (WIDTH, 2),
        "ssm_alpha.weight": (WIDTH, 2),
        "ssm_norm.weight": (STATE,),
        "ssm_out.weight": (2 * STATE, WIDTH),
    }
    prediction = {
        "nextn.eh_proj.weight": (2 * WIDTH, WIDTH),
        "nextn.enorm.weight": (WIDTH,),
        "nextn.hnorm.weight": (WIDTH,),
    }
    common = FEED | {"post_attention_norm.weight": (WIDTH,)}
    full = attention(query=2 * WIDTH) | common
    blocks = [delta_net | common, full] + [full | prediction] * predicted
    if predicted:
        settings["nextn_predict_layers"] = predicted
    make = fixed_order if foresees else weights
    return write_random(path, "qwen35", settings, blocks, make=make)


def attention(query: int = 32) -> dict[str, tuple[int, ...]]:
    return {
        "attn_q.weight": (WIDTH, query),
        "attn_k.weight": (WIDTH, WIDTH),
        "attn_v.weight": (WIDTH, WIDTH),
        "attn_output.weight": (WIDTH, WIDTH),
        "attn_q_norm.weight": (WIDTH // HEADS,),
        "attn_k_norm.weight": (WIDTH // HEADS,),
    }


def write_random(
    path: Path,
    architecture: str,
    settings: Mapping[str, object],
    blocks: Sequence[Mapping[str, tuple[int, ...]]],
    output_norm: str = "output_norm",
    make: Callable[[str, tuple[int, ...], random.Random], bytes] | None = None,
) -> Path:
    general: dict[str, object] = {
        "context_length": 2048,
        "embedding_length": WIDTH,
        "block_count": len(blocks),
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    metadata = demo_tokenizer() | {
        "general.architecture": value(architecture),
        "general.name": value(f"random-{architecture}"),
    }
    metadata |= {
        f"{architecture}.{key}": value(content) for key, content in {**general, **settings}.items()
    }
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (WIDTH, 8192),
        f"{output_norm}.weight": (WIDTH,),
    }
    if make is fixed_order:
        shapes["output.weight"] = (WIDTH, 8192)
    for number, block in enumerate(blocks):
        names = {"attn_norm.weight": (WIDTH,), **block}
        shapes |= {f"blk.{number}.{name}": shape for name, shape in names.items()}
    rng = random.Random(3)
    infos: list[bytes] = []
    data = bytearray()
    for name, shape in shapes.items():
        infos.append(tensor(name, shape, offset=len(data)))
        data += (make or weights)(name, shape, rng)
        data += bytes(-len(data) % 32)
    path.write_bytes(gguf_raw(metadata, infos, bytes(data)))
    return path


FEED: dict[str, tuple[int, ...]] = {
    "ffn_gate.weight": (WIDTH, FEED_FORWARD),
    "ffn_up.weight": (WIDTH, FEED_FORWARD),
    "ffn_down.weight": (FEED_FORWARD, WIDTH),
}
BLOCK: dict[str, tuple[int, ...]] = {
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


def fixed_order(name: str, shape: tuple[int, ...], rng: random.Random) -> bytes:
    """Nothing but the embedding reaches the output, which is that of the token before."""
    if name.endswith(("attn_output.weight", "ssm_out.weight", "ffn_down.weight")):
        return bytes(4 * shape[0] * shape[1])
    if name.endswith("eh_proj.weight"):
        rows = ([float(column == row) for column in range(shape[0])] for row in range(shape[1]))
        return array("f", (number for row in rows for number in row)).tobytes()
    if name in ("token_embd.weight", "output.weight"):
        embedding = weights(name, shape, random.Random(5))
        row_bytes = 4 * WIDTH
        start = -row_bytes if name == "output.weight" else 0
        return embedding[start:] + embedding[:start]
    return weights(name, shape, rng)


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
