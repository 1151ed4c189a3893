"""`llm-tui models list`: every model on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json, print_table

if TYPE_CHECKING:
    from engines.hardware import Machine
    from engines.model_files.finding.found_model import FoundModel

_HEADING = ("MODEL", "FAMILY", "PARAMS", "QUANT", "SIZE", "CONTEXT", "ENGINE", "FITS", "USED", "IN")
_SOURCES = {
    "embedded": "this program",
    "huggingface": "Hugging Face cache",
    "lmstudio": "LM Studio",
    "ollama": "Ollama",
}


@click.command("list")
@click.argument("words", nargs=-1, metavar="[TEXT]...")
@click.option(
    "--machine", "described", metavar="WORDS", help='Judge for this machine: "M4 Pro 24GB".'
)
@json_option
@debug_option
def list_models(words: tuple[str, ...], described: str | None, as_json: bool) -> None:
    """List the models that are here; with TEXT those whose name has all of it.

    Looks into the Hugging Face cache, LM Studio's folder, Ollama's blobs and the model_folders of
    config.toml. Nothing is loaded; a model that cannot be used is listed with the reason.
    """
    from engines.described_machine import choose_machine
    from tui.model_folders import find_user_models
    from tui.paths import app_paths

    machine = choose_machine(described, app_paths().cache)
    found = [model for model in find_user_models() if _matches(model, words)]
    if as_json:
        print_json([_as_json(model, machine) for model in found])
        return
    print_table(_HEADING, [_row(model, machine) for model in found])


def parameters_text(parameters: int | None) -> str:
    """`8.2B`, `596M`; empty where it is not known."""
    if not parameters:
        return ""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6)):
        if parameters >= size:
            count = parameters / size
            return f"{count:.1f}{unit}" if count < 10 else f"{count:.0f}{unit}"
    return f"{parameters:,}"


def used_text(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds)) if seconds else ""


def place_text(model: FoundModel) -> str:
    return _SOURCES.get(model.source.value, str(model.path.parent))


def _matches(model: FoundModel, words: tuple[str, ...]) -> bool:
    text = f"{model.reference} {model.name} {model.family} {model.quantization}".lower()
    return all(word.lower() in text for word in words)


def _row(model: FoundModel, machine: Machine) -> tuple[str, ...]:
    from engines.memory import size_text
    from engines.model_files.fit_here import fits_here

    verdict = fits_here(model, machine)
    window = model.context_window_tokens
    return (
        model.reference,
        model.family,
        parameters_text(model.parameters),
        model.quantization,
        size_text(model.size_bytes),
        f"{window:,}" if window else "",
        ", ".join(model.engines),
        "broken" if model.problem else (verdict.value if verdict else "?"),
        used_text(model.last_used_s),
        model.problem or place_text(model),
    )


def _as_json(model: FoundModel, machine: Machine) -> dict[str, Any]:
    from engines.model_files.fit_here import fits_here

    verdict = fits_here(model, machine)
    return model.to_json() | {"fits": verdict.value if verdict else None}
