"""The picker's rows: what lies here, and what is worth downloading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engines.errors import EngineError
from engines.fit import fit_model
from engines.hardware import Machine
from engines.model_files.finding.found_model import FoundModel, ModelFormat
from engines.model_files.fit_here import fit_question
from engines.model_files.foreign_formats import check_repository_name
from engines.model_files.gguf import read_opening
from engines.model_files.reference import ModelReference, ReferenceKind
from engines.speed import MeasuredSpeed
from profiles.catalogue import Catalogue
from profiles.recommend import Option, recommend
from profiles.task import Task
from tui.models.row import DOWNLOAD, ModelRow, row_of_found, shown_name
from tui.sanitize import one_line

Speed = Callable[[str, str], MeasuredSpeed]
_ORDER = {"fits": 0, "…": 0, "tight": 1, "?": 2, "no": 3, "broken": 4}
_UNREADABLE = (EngineError, OSError, ArithmeticError, ValueError, TypeError, LookupError)
_UNKNOWN_SIZE = "The hub is asked for its size when the download starts."


def found_rows(models: Sequence[FoundModel]) -> list[ModelRow]:
    """Rows that are not judged yet, the model that was used last first, embedded ones last."""
    return ordered([row_of_found(model) for model in models])


def ordered(rows: Sequence[ModelRow]) -> list[ModelRow]:
    """What can be used comes first, and of that what was used last."""
    return sorted(rows, key=_place)


def judge(row: ModelRow, machine: Machine, speed: Speed) -> ModelRow:
    """The row with a verdict from the model's real tensors, and its speed measured or predicted."""
    if row.found is None or row.problem:
        return replace(row, is_judged=True)
    try:
        engine = row.engines[0] if row.engines else "llama.cpp"
        question = replace(fit_question(row.found), measured=speed(row.reference, engine))
        fit = fit_model(question, machine)
    except _UNREADABLE:
        fit = None
    return replace(row, fit=fit, is_judged=True, license=_license(row.found))


def recommended_rows(
    machine: Machine, catalogue: Catalogue, here: Sequence[ModelRow]
) -> list[ModelRow]:
    """The catalogue's models for this machine that are not here, first choices first."""
    known = {row.reference.lower() for row in here}
    options: dict[str, tuple[Option, list[str], list[str]]] = {}
    answers = recommend(machine, catalogue)
    for answer in answers:
        if answer.choice is not None:
            _entry(options, answer.choice)[1].append(answer.task.value)
    for answer in answers:
        for option in answer.alternatives:
            _entry(options, option)[2].append(answer.task.value)
    return [
        _recommended(option, chosen, others)
        for reference, (option, chosen, others) in options.items()
        if reference.lower() not in known
    ]


def recommended_row(machine: Machine, catalogue: Catalogue, task: Task) -> ModelRow | None:
    """The first choice for one task; None where no model of the catalogue would do."""
    choice = recommend(machine, catalogue, [task])[0].choice
    return _recommended(choice, [task.value], []) if choice else None


def hub_row(text: str) -> ModelRow | None:
    """A row for `ORG/NAME` or `ORG/NAME:QUANT` as it was typed; None where it is no such name."""
    reference = ModelReference.parse(text.strip())
    if reference.kind is not ReferenceKind.REPOSITORY:
        return None
    problem, reasons = "", (_UNKNOWN_SIZE,)
    try:
        check_repository_name(reference.name)
    except EngineError as error:
        problem = one_line(f"{error.message} {error.hint}")
    return ModelRow(
        name=shown_name(str(reference)),
        reference=str(reference),
        source=DOWNLOAD,
        quantization=shown_name(reference.quantization),
        is_judged=True,
        problem=problem,
        reasons=reasons,
    )


def _entry(
    options: dict[str, tuple[Option, list[str], list[str]]], option: Option
) -> tuple[Option, list[str], list[str]]:
    return options.setdefault(option.form.model, (option, [], []))


def _recommended(option: Option, chosen: list[str], others: list[str]) -> ModelRow:
    model, form = option.model, option.form
    reasons = [f"Recommended here for {', '.join(chosen)}."] if chosen else []
    reasons += [f"Would do for {', '.join(others)}."] if others and not chosen else []
    aged = f"It was released in {model.released:%B %Y}, more than a year ago."
    return ModelRow(
        name=shown_name(form.model),
        reference=form.model,
        source=DOWNLOAD,
        family=shown_name(model.family),
        quantization=shown_name(form.quantization),
        size_bytes=form.fit.weights_bytes,
        context_window_tokens=model.shape.context_window_tokens or None,
        engines=(form.engine,),
        fit=form.fit,
        is_judged=True,
        license=one_line(model.license),
        reasons=(*reasons, *([aged] if option.is_aged else [])),
    )


def _place(row: ModelRow) -> tuple[bool, int, float]:
    is_embedded = row.source == "built in"
    last_used_s = row.found.last_used_s if row.found and not is_embedded else None
    return is_embedded, _ORDER.get(row.verdict, 2), -(last_used_s or 0.0)


def _license(model: FoundModel) -> str:
    """What a GGUF file says of its licence; empty where it says nothing."""
    if model.format is not ModelFormat.GGUF:
        return ""
    try:
        said = read_opening(model.path).get("general.license")
    except _UNREADABLE:
        return ""
    return shown_name(said) if isinstance(said, str) else ""
