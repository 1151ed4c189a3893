"""`llm-tui models show`: one model in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tui.command_line.failure import Failure
from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json, print_table

if TYPE_CHECKING:
    from engines.fit import Fit
    from engines.hardware import Machine
    from engines.model_files.finding.found_model import FoundModel


@click.command("show")
@click.argument("name", metavar="MODEL")
@click.option(
    "--machine", "described", metavar="WORDS", help='Judge for this machine: "M4 Pro 24GB".'
)
@json_option
@debug_option
def show_model(name: str, described: str | None, as_json: bool) -> None:
    """Show what MODEL is, where it lies, and what it would take here."""
    from engines.described_machine import choose_machine
    from tui.paths import app_paths

    model = find_user_model(name)
    fit = _fit(model, choose_machine(described, app_paths().cache))
    if as_json:
        print_json(_as_json(model, fit))
        return
    print_table((), _rows(model, fit))


def find_user_model(name: str) -> FoundModel:
    """The model that is listed as `name`, or that `name` means in any other way.

    Raises:
        ModelNotFound, ModelLoadError: as `engines.model_files.reference.resolve`.
        Failure: it lies where it is not listed.
    """
    from engines.model_files.locate import locate_model
    from tui.model_folders import find_user_models

    models = find_user_models()
    for model in models:
        if name.lower() in (model.reference.lower(), model.name.lower()):
            return model
    path = locate_model(name)
    for model in models:
        if path.resolve() in (model.path.resolve(), *(file.resolve() for file in model.files)):
            return model
    return _describe(name)


def _describe(name: str) -> FoundModel:
    """A model at a path that is in no known folder."""
    from engines.model_files.finding.folder_models import find_in_folder
    from engines.model_files.locate import locate_model

    path = locate_model(name)
    folder = path if path.is_dir() else path.parent
    for model in find_in_folder(folder.absolute()):
        if path.resolve() in (model.path.resolve(), *(file.resolve() for file in model.files)):
            return model
    raise Failure(f"{name} is not a model.", "Give a GGUF file or a folder with config.json.")


def _fit(model: FoundModel, machine: Machine) -> Fit | None:
    """By the model's real tensors; None where they cannot be read."""
    from engines.errors import EngineError
    from engines.fit import fit_model
    from engines.model_files.fit_here import fit_question

    try:
        return fit_model(fit_question(model), machine)
    except (EngineError, OSError):
        return None


def _rows(model: FoundModel, fit: Fit | None) -> list[tuple[str, str]]:
    from engines.memory import size_text
    from tui.command_line.models_list import place_text, used_text

    window = model.context_window_tokens
    rows = [
        ("name", model.name),
        ("model", model.reference),
        ("family", model.family),
        ("parameters", f"{model.parameters:,}" if model.parameters else ""),
        ("quantization", model.quantization),
        ("size", size_text(model.size_bytes)),
        ("context window", f"{window:,} tokens" if window else ""),
        ("engines", ", ".join(model.engines)),
        ("in", place_text(model)),
        ("path", str(model.path)),
        ("files", str(len(model.files))),
        ("last used", used_text(model.last_used_s)),
    ]
    rows += [("projector", str(path)) for path in model.projectors]
    rows += [("adapter", str(path)) for path in model.adapters]
    if model.problem:
        rows.append(("problem", model.problem))
    if fit is not None:
        rows += [("fits", fit.verdict.value), *(("", reason) for reason in fit.reasons)]
        rows += [("", remedy) for remedy in fit.remedies]
    return [(key, value) for key, value in rows if value]


def _as_json(model: FoundModel, fit: Fit | None) -> dict[str, Any]:
    return model.to_json() | {
        "files": [str(path) for path in model.files],
        "fit": fit.to_json() if fit else None,
    }
