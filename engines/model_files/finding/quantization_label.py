"""The quantization that a file's name tells."""

from __future__ import annotations

import re

PREFERRED_QUANTIZATIONS = (
    "Q4_K_M",
    "UD-Q4_K_XL",
    "Q4_K_S",
    "Q4_0",
    "IQ4_XS",
    "Q5_K_M",
    "Q6_K",
    "Q8_0",
)
"""What to take of several where none is named."""

_LABEL = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?I?Q\d(?:_[0-9A-Z]+)*|BF16|F16|F32|FP16|FP32|TQ\d_\d|MXFP4(?:_MOE)?)"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def quantization_label(file_name: str) -> str:
    """`Q4_K_M` of `Qwen3-8B-Q4_K_M.gguf`; empty where a name has none."""
    found = _LABEL.findall(file_name.removesuffix(".gguf"))
    label = str(found[-1]).upper() if found else ""
    return label.replace("FP", "F") if label.startswith("FP") else label
