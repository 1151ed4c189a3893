"""The chips this program knows: memory bandwidth, sizes and prefill speed, from `chips.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from engines.hardware_probes import GPU

MEASURED_MODEL_PARAMETERS = 6.74e9
MEASURED_MODEL_GB = 3.83
"""Llama 2 7B in Q4_0, which the speeds of the table were measured with."""
_MAKERS = ("apple", "nvidia", "geforce", "generation")
_FORM = re.compile(r"sxm\d?|pcie|nvl|hbm\d\w*|\d+gb")
"""What drivers add to the names of data-center cards: `NVIDIA A100-SXM4-80GB`."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip, or one variant of it.

    Args:
        name: As the system reports it, e.g. `Apple M4 Max`.
        gpu_cores: Of its variants; empty where they do not matter.
        memory_gb: Sizes it is sold with.
        prefill_7b_tps: Tokens per second of prefill with Llama 2 7B in Q4_0, or None.
        decode_7b_tps: Of decode with the same model.
        source: Where the bandwidth is published; `speed_source`: the two speeds.
    """

    name: str
    gpu: GPU
    bandwidth_gb_per_s: float
    gpu_cores: tuple[int, ...]
    memory_gb: tuple[int, ...]
    prefill_7b_tps: float | None
    decode_7b_tps: float | None
    source: str
    speed_source: str

    @property
    def decode_share(self) -> float | None:
        """Of the bandwidth, what that decode makes use of; None where nobody has published it."""
        if self.decode_7b_tps is None:
            return None
        return self.decode_7b_tps * MEASURED_MODEL_GB / self.bandwidth_gb_per_s

    @property
    def short_name(self) -> str:
        """Without its maker: `M4 Max`, `RTX 4090`."""
        return " ".join(word for word in self.name.split() if word.lower() not in _MAKERS)


@cache
def known_chips() -> tuple[Chip, ...]:
    """Every chip of the table, in its order."""
    table = tomllib.loads(files("engines").joinpath("chips.toml").read_text(encoding="utf-8"))
    return tuple(_chip(entry, table["speed_sources"]) for entry in table["chip"])


def find_chip(
    name: str, gpu_cores: int | None = None, memory_gb: float | None = None
) -> Chip | None:
    """The chip of that name; among its variants the one with these cores, or this memory.

    Where neither tells, the last variant of the table, which is the largest.

    Args:
        name: As the system reports it or without the maker, in any case.
    """
    wanted = chip_words(name)
    variants = [chip for chip in known_chips() if chip_words(chip.name) == wanted]
    for chip in variants:
        if gpu_cores in chip.gpu_cores:
            return chip
    for chip in variants:
        if memory_gb in chip.memory_gb and gpu_cores is None:
            return chip
    return variants[-1] if variants else None


def chip_words(name: str) -> tuple[str, ...]:
    """What is compared of a chip's name: lower case, without its maker and form."""
    words = name.lower().replace("-", " ").split()
    return tuple(word for word in words if word not in _MAKERS and not _FORM.fullmatch(word))


def _chip(entry: dict[str, Any], speed_sources: dict[str, str]) -> Chip:
    gpu = GPU(entry.get("gpu", "metal"))
    return Chip(
        name=entry["name"],
        gpu=gpu,
        bandwidth_gb_per_s=float(entry["bandwidth_gb_per_s"]),
        gpu_cores=_numbers(entry.get("gpu_cores", ())),
        memory_gb=_numbers(entry.get("memory_gb", ())),
        prefill_7b_tps=entry.get("prefill_7b_tps"),
        decode_7b_tps=entry.get("decode_7b_tps"),
        source=entry["source"],
        speed_source=speed_sources[gpu.value] if "prefill_7b_tps" in entry else "",
    )


def _numbers(values: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
