"""A model that lies on this machine already."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Source(StrEnum):
    """Whose folder a model lies in."""

    EMBEDDED = "embedded"
    HUGGING_FACE = "huggingface"
    LM_STUDIO = "lmstudio"
    OLLAMA = "ollama"
    FOLDER = "folder"


class ModelFormat(StrEnum):
    GGUF = "gguf"
    SAFETENSORS = "safetensors"


@dataclass(frozen=True, slots=True)
class FoundModel:
    """What is known of a model without loading it; a figure that is not known is None.

    Args:
        name: What to show.
        reference: What `--model` and a profile take for it.
        path: The GGUF file (of a split model the first), or the folder.
        files: All of its weight files.
        family: The architecture's name, such as `qwen3`.
        quantization: Of the weights, such as `Q4_K_M` or `4-bit`.
        engines: Those that run it, the best first; empty where none does.
        last_used_s: When a file of it was last read or written, in seconds since 1970.
        projectors: Files that let it see or hear; no engine here uses them yet.
        adapters: Adapters that Ollama keeps with the model.
        problem: Why it cannot be used, in a sentence; empty where nothing is known to be wrong.
    """

    name: str
    reference: str
    path: Path
    source: Source
    format: ModelFormat
    files: tuple[Path, ...]
    size_bytes: int
    family: str = ""
    parameters: int | None = None
    quantization: str = ""
    context_window_tokens: int | None = None
    engines: tuple[str, ...] = ()
    last_used_s: float | None = None
    projectors: tuple[Path, ...] = ()
    adapters: tuple[Path, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "reference": self.reference,
            "family": self.family,
            "parameters": self.parameters,
            "size_bytes": self.size_bytes,
            "quantization": self.quantization,
            "context_window_tokens": self.context_window_tokens,
            "format": self.format.value,
            "engines": list(self.engines),
            "source": self.source.value,
            "path": str(self.path),
            "last_used_s": self.last_used_s,
            "projectors": [str(path) for path in self.projectors],
            "adapters": [str(path) for path in self.adapters],
            "problem": self.problem,
        }
