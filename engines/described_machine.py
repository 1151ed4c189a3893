"""A machine in words: what would this program do on an M4 Pro with 48 GB?

parse_machine("M4 Max 40-core 128GB")
parse_machine("RTX 4090 24GB")
parse_machine("EPYC 9354 64GB 200GB/s")     any chip, with its memory bandwidth
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from engines.bandwidth import GB, MemoryBandwidth
from engines.chips import Chip, chip_words, find_chip, known_chips
from engines.errors import UnknownMachine
from engines.hardware import GIB, Machine, read_machine, usual_working_set_bytes
from engines.hardware_probes import GPU

VARIABLE = "LLM_TUI_MACHINE"

_BANDWIDTH = re.compile(r"(\d+(?:\.\d+)?)\s*(GB|TB)/s", re.IGNORECASE)
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*(?:GB|GiB)\b", re.IGNORECASE)
_CORES = re.compile(r"(\d+)[\s-]*(?:GPU[\s-]*)?cores?\b(?:\s*GPU)?", re.IGNORECASE)
_EXAMPLES = "Write it like: M4 Pro 48GB, M4 Max 40-core 128GB, RTX 4090 24GB."
_SYSTEM_SHARE = 8
_LEAST_SYSTEM_BYTES = 2 * GIB


def choose_machine(
    described: str | None, cache_folder: Path, environment: Mapping[str, str] = os.environ
) -> Machine:
    """The machine in words, or the one that `LLM_TUI_MACHINE` describes, or this one.

    Raises:
        UnknownMachine: the words mean no machine.
    """
    words = described or environment.get(VARIABLE, "")
    return parse_machine(words) if words.strip() else read_machine(cache_folder)


def parse_machine(words: str) -> Machine:
    """A machine that somebody describes; nothing runs on it but other programs of its system.

    Raises:
        UnknownMachine: the chip is not known and no bandwidth is given, or the memory is missing.
    """
    rest, bandwidth_text = _take(_BANDWIDTH, words)
    rest, memory_text = _take(_MEMORY, rest)
    rest, cores_text = _take(_CORES, rest)
    name = " ".join(rest.replace(",", " ").split())
    memory_gb = float(memory_text[1]) if memory_text else None
    gpu_cores = int(cores_text[1]) if cores_text else None
    chip = find_chip(name, gpu_cores, memory_gb)
    if chip is None and bandwidth_text is None:
        raise _unknown(name)
    if chip and gpu_cores and chip.gpu_cores and gpu_cores not in chip.gpu_cores:
        raise UnknownMachine(
            f"There is no {chip.short_name} with {gpu_cores} GPU cores.",
            f"It has {' or '.join(map(str, _variants(chip)))}.",
        )
    memory_gb = memory_gb if memory_gb is not None else _only_size(chip, words)
    bandwidth = chip.bandwidth_gb_per_s * GB if chip else 0.0
    if bandwidth_text:
        unit = 1000 * GB if bandwidth_text[2].upper() == "TB" else GB
        bandwidth = float(bandwidth_text[1]) * unit
    source = "described" if bandwidth_text else "vendor"
    return _machine(chip, name, gpu_cores, memory_gb, MemoryBandwidth(bandwidth, source))


def _machine(
    chip: Chip | None,
    name: str,
    gpu_cores: int | None,
    memory_gb: float,
    bandwidth: MemoryBandwidth,
) -> Machine:
    gpu = chip.gpu if chip else GPU.NONE
    total = round(memory_gb * GIB)
    is_card = gpu is GPU.CUDA
    return Machine(
        chip=chip.name if chip else name or "CPU",
        system="Darwin" if gpu is GPU.METAL else "Linux",
        architecture="arm64" if gpu is GPU.METAL else "x86_64",
        is_translated=False,
        physical_cores=None,
        logical_cores=1,
        memory_total_bytes=total,
        memory_available_bytes=total - max(_LEAST_SYSTEM_BYTES, total // _SYSTEM_SHARE),
        gpu=gpu,
        gpu_cores=gpu_cores or (chip.gpu_cores[-1] if chip and chip.gpu_cores else None),
        memory_bandwidth=bandwidth,
        gpu_name=chip.name if chip and is_card else "",
        gpu_memory_bytes=total if is_card else None,
        working_set_bytes=usual_working_set_bytes(total) if gpu is GPU.METAL else None,
        is_described=True,
    )


def _take(pattern: re.Pattern[str], text: str) -> tuple[str, re.Match[str] | None]:
    """What is left of the text, and what the pattern found in it."""
    match = pattern.search(text)
    return (text, None) if match is None else (text[: match.start()] + text[match.end() :], match)


def _variants(chip: Chip) -> list[int]:
    return [cores for variant in _all_of(chip) for cores in variant.gpu_cores]


def _all_of(chip: Chip | None) -> list[Chip]:
    return [known for known in known_chips() if chip and known.name == chip.name]


def _only_size(chip: Chip | None, words: str) -> float:
    sizes = {size for variant in _all_of(chip) for size in variant.memory_gb}
    if len(sizes) == 1:
        return float(sizes.pop())
    listed = " or ".join(f"{size} GB" for size in sorted(sizes))
    hint = f"{chip.short_name} comes with {listed}." if chip and listed else _EXAMPLES
    raise UnknownMachine(f"{words.strip()!r} does not say how much memory there is.", hint)


def _unknown(name: str) -> UnknownMachine:
    names = {chip.short_name.lower(): chip.short_name for chip in known_chips()}
    near = difflib.get_close_matches(" ".join(chip_words(name)), names, n=1, cutoff=0.5)
    if not name:
        return UnknownMachine("The machine's description names no chip.", _EXAMPLES)
    hint = f"Did you mean {names[near[0]]}? {_EXAMPLES}" if near else _EXAMPLES
    return UnknownMachine(
        f"The chip {name!r} is not known.", f"{hint} For another chip add its bandwidth: 200GB/s."
    )
