"""One model in the picker: here already, or to be downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui.sanitize import one_line

if TYPE_CHECKING:
    from engines.fit import Fit
    from engines.model_files.finding.found_model import FoundModel

DOWNLOAD = "download"
_SOURCES = {
    "embedded": "built in",
    "huggingface": "Hugging Face",
    "lmstudio": "LM Studio",
    "ollama": "Ollama",
    "folder": "folder",
}
_LONGEST_NAME = 160


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What is known of a model; texts are safe to draw, but for `reference`.

    Args:
        reference: What `--model`, a profile and a download take for it.
        source: Whose folder it lies in, or `download`.
        size_bytes: None where nobody knows before the hub is asked.
        found: None for a model that is not here.
        fit: Whether it fits and how fast it is; None until that was judged, or where it cannot be.
        is_judged: Whether somebody has tried.
        problem: Why it cannot be used, in a sentence.
        reasons: Why it is recommended, a sentence each.
    """

    name: str
    reference: str
    source: str
    family: str = ""
    quantization: str = ""
    size_bytes: int | None = None
    context_window_tokens: int | None = None
    engines: tuple[str, ...] = ()
    found: FoundModel | None = None
    fit: Fit | None = None
    is_judged: bool = False
    problem: str = ""
    license: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, Path | None]:
        return self.reference, self.found.path if self.found else None

    @property
    def is_here(self) -> bool:
        return self.found is not None

    @property
    def verdict(self) -> str:
        """`fits`, `tight`, `no`, `broken`, `…` while it is not known, `?` where it cannot be."""
        if self.problem:
            return "broken" if self.is_here else "no"
        if self.fit is not None:
            return self.fit.verdict.value
        return "?" if self.is_judged else "…"

    @property
    def decode_tps(self) -> float | None:
        decode = self.fit.short.decode if self.fit else None
        return decode.middle_tps if decode else None

    @property
    def is_measured(self) -> bool:
        return self.fit is not None and self.fit.short.source == "measured"


def row_of_found(model: FoundModel) -> ModelRow:
    """The row of a model that lies here, not judged yet."""
    return ModelRow(
        name=shown_name(model.name),
        reference=model.reference,
        source=_SOURCES.get(model.source.value, model.source.value),
        family=shown_name(model.family),
        quantization=shown_name(model.quantization),
        size_bytes=model.size_bytes,
        context_window_tokens=model.context_window_tokens,
        engines=model.engines,
        found=model,
        problem=one_line(model.problem),
    )


def shown_name(text: str) -> str:
    """A name of unknown origin, of a length that can be searched and drawn at any time."""
    return one_line(text)[:_LONGEST_NAME]


def gb_text(size_bytes: int) -> str:
    """`8.5 GB`, `31 MB`: as hubs and file managers count."""
    gigabytes = size_bytes / 1e9
    if size_bytes < 1e6:
        return f"{size_bytes / 1e3:,.0f} kB"
    return f"{gigabytes:,.1f} GB" if gigabytes >= 1 else f"{size_bytes / 1e6:,.0f} MB"
