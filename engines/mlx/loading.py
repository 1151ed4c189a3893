"""From the name of a model to a model that is ready to run, with every refusal in plain words."""

from __future__ import annotations

from pathlib import Path

from engines.errors import IncompatibleDraftModel, ModelLoadError
from engines.mlx.device import Device
from engines.mlx.folder_model import load_folder, plan_folder
from engines.mlx.gguf_model import load_gguf, plan_gguf
from engines.mlx.kv_cache import CacheGrowth, KVQuantization, create_kv_cache, measure_growth
from engines.mlx.loaded_model import LoadedModel, ModelPlan

_KV_BITS = {"q8_0": 8, "q4_0": 4}
_OWN_TYPES = ("f16", "bf16", "f32")


def plan_model(path: Path, device: Device) -> ModelPlan:
    """Check a GGUF file or model folder and say what it will take; reads no weights.

    Raises:
        ModelLoadError: the model is damaged or incomplete, or the MLX engine does not run it.
    """
    return plan_folder(path, device) if path.is_dir() else plan_gguf(path, device)


def load_model(plan: ModelPlan, device: Device) -> LoadedModel:
    """Read the weights of a planned model.

    Raises:
        ModelLoadError: they do not fit the model's own description.
    """
    load = load_folder if plan.path.is_dir() else load_gguf
    try:
        return load(plan.path, device)
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelLoadError(
            f"MLX cannot read {plan.path.name}: {reason}", "Download the model again."
        ) from error


def check_kv_type(kv_type: str) -> None:
    """Refuse a type that no model could have.

    Raises:
        ModelLoadError: names the types there are.
    """
    if kv_type not in (*_KV_BITS, *_OWN_TYPES):
        raise ModelLoadError(
            f"The MLX engine cannot keep a KV cache in {kv_type}.", "Choose f16, q8_0 or q4_0."
        )


def plan_kv_quantization(kv_type: str, growth: CacheGrowth) -> KVQuantization | None:
    """None keeps the cache in the model's own type, which `f16` stands for.

    Raises:
        ModelLoadError: this model's cache cannot be kept in `kv_type`.
    """
    if kv_type in ("f16", growth.element_type):
        return None
    bits = _KV_BITS.get(kv_type)
    group_size = next((size for size in (64, 32) if growth.divisible_by(size)), None)
    if bits is not None and group_size is not None:
        return KVQuantization(bits, group_size)
    raise ModelLoadError(
        f"This model's KV cache is kept in {growth.element_type} and cannot be kept in {kv_type}.",
        "Choose f16, which stands for the model's own type.",
    )


def measure_cache(model: LoadedModel) -> CacheGrowth:
    """What the model's KV cache takes, from one pass; this also warms the model up."""
    cache = create_kv_cache(model.network)
    model.warm_up(cache.layers)
    return measure_growth(cache)


def check_draft(target: LoadedModel, draft: LoadedModel) -> None:
    """The draft's token ids must mean the same.

    Raises:
        IncompatibleDraftModel: says what does not fit.
    """
    texts, draft_texts = target.tokenizer.token_texts, draft.tokenizer.token_texts
    shared = min(len(texts), len(draft_texts))
    if (
        list(texts[:shared]) != list(draft_texts[:shared])
        or abs(len(texts) - len(draft_texts)) > 128
    ):
        raise IncompatibleDraftModel(
            "The draft model's vocabulary differs from the model's.",
            "Choose a draft model of the same family as the model.",
        )
