"""What a turn will take on an MLX device."""

from __future__ import annotations

from engines.kv.reuse import CacheSource
from engines.mlx.cache_store import CacheStore, TurnCaches
from engines.mlx.memory import WORKING_BYTES_PER_TOKEN
from engines.mlx.model_pair import ModelPair
from engines.turn_memory import TurnNeed


def turn_need(
    models: ModelPair,
    store: CacheStore,
    caches: TurnCaches,
    prompt_tokens: int,
    answer_tokens: int,
) -> TurnNeed:
    """For a turn that goes on with `caches`, just taken from `store`.

    A fork is copied once it is written. A prompt is prefilled before its keys and values are
    quantized, so that both are there for a moment.
    """
    new_tokens = prompt_tokens - len(caches.target.token_ids)
    copied_bytes = caches.size_bytes if store.reuse.source is CacheSource.OTHER else 0
    if models.kv_quantization is not None and not caches.target.is_quantized:
        copied_bytes += models.plain_kv_bytes_per_token * prompt_tokens
    return TurnNeed(
        prompt_tokens=new_tokens,
        answer_tokens=answer_tokens,
        kv_bytes_per_token=models.info.kv_bytes_per_token + models.draft_kv_bytes_per_token,
        copied_bytes=copied_bytes,
        parked_bytes=store.size_bytes,
        chunk_tokens=models.chunk_tokens,
        working_bytes_per_token=WORKING_BYTES_PER_TOKEN,
    )
