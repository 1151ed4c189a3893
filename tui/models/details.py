"""What the picker says of the highlighted model, as a pure function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from textual.content import Content

from engines.errors import EngineError
from engines.quantization import describe_quantization, find_quantization
from tui.models.downloads import Download, DownloadState, download_text
from tui.models.row import ModelRow, gb_text
from tui.models.row_line import MUTED, VERDICT_STYLES, tps_text, window_text
from tui.sanitize import one_line

_VERDICTS = {
    "fits": "Fits.",
    "tight": "Tight.",
    "no": "Does not fit.",
    "broken": "Cannot be used.",
    "?": "Whether it fits cannot be told.",
    "…": "Being judged.",
}


def details_content(row: ModelRow, download: Download | None, home: Path) -> Content:
    """The whole name, quantization in words, verdict and why, remedies, licence, place.

    Args:
        home: Shown as `~`.
    """
    lines = [Content.assemble((row.name, "bold"), (_kind(row), MUTED))]
    if download is not None and not row.is_here:
        lines.append(_download_line(download))
    if described := quantization_line(row):
        lines.append(Content(described))
    lines.append(_verdict_line(row))
    lines += [Content(one_line(remedy)) for remedy in (row.fit.remedies if row.fit else ())]
    if row.reasons:
        lines.append(Content(" ".join(row.reasons)))
    lines.append(Content.styled(_place(row, home), MUTED))
    return Content("\n").join(line for line in lines if line.plain)


def quantization_line(row: ModelRow) -> str:
    """`Q5_K_M: +1.1 % perplexity, 6.5 GB, ~22 tok/s here`."""
    if not row.size_bytes:
        return ""
    try:
        known = find_quantization(row.quantization)
    except EngineError:
        name = row.quantization or "Quantization not known"
        speed = f", {tps_text(row)} here" if row.decode_tps else ""
        return f"{name}: {gb_text(row.size_bytes)}{speed}"
    weights = row.fit.weights_bytes if row.fit else row.size_bytes
    measured = " (measured)" if row.is_measured else ""
    return describe_quantization(known, weights, row.decode_tps) + measured


def _kind(row: ModelRow) -> str:
    window = window_text(row.context_window_tokens)
    parts = [row.family, f"{window} context" if window else "", ", ".join(row.engines)]
    return "".join(f" · {part}" for part in parts if part)


def _verdict_line(row: ModelRow) -> Content:
    style = VERDICT_STYLES.get(row.verdict, MUTED)
    if row.problem:
        return Content.assemble(("Cannot be used. ", style), (row.problem, ""))
    if not row.is_here and row.fit is None:
        return Content("")
    reasons = " ".join(row.fit.reasons) if row.fit else ""
    return Content.assemble((_VERDICTS[row.verdict], style), (f" {one_line(reasons)}", ""))


def _download_line(download: Download) -> Content:
    if download.state is DownloadState.FAILED:
        return Content.assemble((download.error, "$text-error"), (f" {download.hint}", ""))
    again = ". F5 goes on from there." if download.state is DownloadState.STOPPED else ""
    return Content.assemble((f"{download_text(download)}{again}", "$text-accent"))


def _place(row: ModelRow, home: Path) -> str:
    return " · ".join(part for part in _places(row, home) if part)


def _places(row: ModelRow, home: Path) -> Iterator[str]:
    yield f"licence: {row.license}" if row.license else ""
    if row.found is None:
        yield "not on this machine: F5 downloads it" if not row.problem else ""
    elif row.source != "built in":
        yield f"{row.source}: {short_path(row.found.path, home)}"
    else:
        yield "part of this program"


def short_path(path: Path, home: Path) -> str:
    """The path as one line, below the home folder with `~`."""
    try:
        return one_line(f"~/{path.relative_to(home)}")
    except ValueError:
        return one_line(str(path))
