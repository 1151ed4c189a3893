"""How fast this machine can decode at best."""

from __future__ import annotations

from engines.types import ModelInfo


def decode_ceiling_tps(
    memory_bandwidth_bytes_per_s: float, info: ModelInfo, context_length_tokens: int
) -> float:
    """The most tokens per second that plain decode can reach, limited by memory traffic alone.

    One decoded token reads every active weight and the KV cache of the whole context once, so
    the ceiling is bandwidth ÷ (weight bytes + KV cache bytes): the memory roof of the roofline
    model (Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model",
    CACM 52(4), 2009), applied to decode as in Pope et al., "Efficiently Scaling Transformer
    Inference", MLSys 2023, section 2. Activations and the written KV row are left out: they are
    less than a thousandth of it. A model that fits into the processor's cache can be faster, and
    speculative decoding is, because it reads the weights once for several tokens.
    """
    bytes_per_token = info.weights_bytes + info.kv_cache_bytes(context_length_tokens)
    return memory_bandwidth_bytes_per_s / max(1, bytes_per_token)
