"""What a quantization costs in quality and memory, from `quantizations.toml`."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from engines.errors import ModelLoadError

GGUF, MLX = "gguf", "mlx"
READ_BY_MLX = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1")
"""Of the quantizations of GGUF files; MLX would hold any other as 16-bit floats."""

_DYNAMIC = "UD-"
_DYNAMIC_NOTE = "Unsloth dynamic: each layer in the type it needs, runs wherever GGUF runs"
_MLX_BITS = re.compile(r"(?:mlx[-_ ]?)?(\d)[-_ ]?bits?|q(\d)", re.IGNORECASE)
_MLX_SCALE_BITS = 32
_DYNAMIC_SURPLUS = 1.05
"""Qwen3.6-35B-A3B takes 19.70 GiB in Q4_K_M and 20.81 GiB in UD-Q4_K_XL."""
_STANDARD_OF_DYNAMIC = {"Q8_K_XL": "Q8_0", "Q6_K_XL": "Q6_K", "Q2_K_XL": "Q2_K"}


@dataclass(frozen=True, slots=True)
class Quantization:
    """One way to store weights.

    Args:
        format: `gguf` or `mlx`.
        bits_per_weight: In a whole file, scales included.
        perplexity: Of Llama-3.1-8B-Instruct on WikiText-2; None where nobody published it.
        perplexity_change: Of that, as a share: 0.0109 is 1.09 % worse than 16-bit weights.
        is_dynamic: Made by Unsloth, layer by layer; its bits are an estimate.
    """

    name: str
    format: str
    bits_per_weight: float
    note: str = ""
    perplexity: float | None = None
    perplexity_change: float | None = None
    is_dynamic: bool = False


@cache
def known_quantizations() -> dict[str, Quantization]:
    """By name, GGUF's first, the finest first."""
    text = files("engines").joinpath("quantizations.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    best = table["reference"]["perplexity"]
    return {
        name: _quantization(name, kind, values, best)
        for kind in (GGUF, MLX)
        for name, values in table[kind].items()
    }


def find_quantization(name: str) -> Quantization:
    """The quantization of that name, in any case: `q4_k_m`, `UD-Q4_K_XL`, `4bit`, `mlx-4bit`.

    Raises:
        ModelLoadError: there is none; the hint names the nearest.
    """
    known = {key.lower(): value for key, value in known_quantizations().items()}
    wanted = name.strip().lower().replace("fp16", "f16").replace("fp32", "f32")
    if wanted in known:
        return known[wanted]
    if wanted.startswith(_DYNAMIC.lower()):
        return _dynamic(name, known)
    match = _MLX_BITS.fullmatch(wanted)
    if match and (found := known.get(f"{match[1] or match[2]}-bit")):
        return found
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f"Did you mean {known[near[0]].name}?" if near else f"Known ones: {_usual_names()}."
    raise ModelLoadError(f"The quantization {name!r} is not known.", hint)


def mlx_bits_per_weight(bits: int, group_size: int = 64) -> float:
    """Bits of MLX's affine quantization: a scale and a bias of 16 bits for every group."""
    return bits + _MLX_SCALE_BITS / group_size


def describe_quantization(
    quantization: Quantization, weights_bytes: int, decode_tps: float | None = None
) -> str:
    """`Q5_K_M: +1.1 % perplexity, 6.5 GB, ~22 tok/s here`."""
    change = quantization.perplexity_change
    parts = [f"{change:+.1%} perplexity".replace("%", " %")] if change else []
    if change == 0 or change is None:
        parts = [quantization.note] if quantization.note else []
    gigabytes = weights_bytes / 1e9
    parts.append(f"{gigabytes:.1f} GB" if gigabytes >= 0.1 else f"{weights_bytes / 1e6:.0f} MB")
    if decode_tps:
        parts.append(f"~{decode_tps:.0f} tok/s here")
    return f"{quantization.name}: {', '.join(parts)}"


def _quantization(name: str, kind: str, values: dict[str, Any], best: float) -> Quantization:
    perplexity = values.get("perplexity")
    return Quantization(
        name=name,
        format=kind,
        bits_per_weight=float(values["bits"]),
        note=values.get("note", ""),
        perplexity=perplexity,
        perplexity_change=None if perplexity is None else perplexity / best - 1,
    )


def _dynamic(name: str, known: dict[str, Quantization]) -> Quantization:
    """An Unsloth file: near the size of the recipe it is named after, and better."""
    recipe = name.strip().upper().removeprefix(_DYNAMIC)
    plain = _STANDARD_OF_DYNAMIC.get(recipe, re.sub(r"_K_XL$", "_K_M", recipe))
    if plain.lower() not in known:
        raise ModelLoadError(
            f"The quantization {name!r} is not known.", "Unsloth's are named like UD-Q4_K_XL."
        )
    standard = known[plain.lower()]
    return replace(
        standard,
        name=f"{_DYNAMIC}{recipe}",
        bits_per_weight=standard.bits_per_weight * _DYNAMIC_SURPLUS,
        note=_DYNAMIC_NOTE,
        perplexity=None,
        perplexity_change=None,
        is_dynamic=True,
    )


def _usual_names() -> str:
    return "Q4_K_M, Q5_K_M, Q6_K, Q8_0, 4-bit, 6-bit, 8-bit"
