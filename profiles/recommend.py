"""Which model for which task on which machine, and why.

    for recommendation in recommend(machine, load_catalogue(config_folder)):
        recommendation.task, recommendation.choice

Of the models that are made for a task the newest family comes first; for maximum capability the
largest model. The first one that fits, with the context the task needs, and is fast enough, is
the choice. Sizes and speeds are those of `engines.fit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from engines.fit import Fit, fit_model
from engines.fit_question import Draft, FitQuestion, Verdict, judge
from engines.hardware import Machine
from engines.hardware_probes import GPU
from engines.quantization import describe_quantization, find_quantization
from profiles.catalogue import Catalogue, CatalogueModel
from profiles.task import Task
from profiles.task_needs import NEEDS, Needs

LLAMA_CPP, MLX = "llama.cpp", "mlx"
_PROMPT_TOKENS = 1000


_ENGINE_REASONS = {
    (MLX, False): "MLX: the faster decode on Apple Silicon where prompts are short",
    (MLX, True): "MLX: its KV cache of this model is small enough for the window",
    (LLAMA_CPP, True): "llama.cpp: the faster prefill where prompts are long",
    (LLAMA_CPP, False): "llama.cpp: runs this model best here",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One model as one engine runs it; `model` is what a profile and `--model` take."""

    engine: str
    model: str
    quantization: str
    fit: Fit


@dataclass(frozen=True, slots=True)
class Option:
    """A model that would do.

    Args:
        form: The one to take.
        other: The same model on the other engine, where that would do as well.
        draft_model: Repository of a draft model, or None.
        reasons: Why so, a sentence each.
        is_aged: Released more than a year ago.
    """

    model: CatalogueModel
    form: Form
    other: Form | None
    draft_model: str | None
    kv_type: str
    context_tokens: int
    reasons: tuple[str, ...]
    is_aged: bool


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer for one task.

    Args:
        choice: None where no model of the catalogue would do.
        alternatives: Others that would do, in the same order.
        passed_over: Models that come before the choice, and what keeps them from being it.
    """

    task: Task
    choice: Option | None
    alternatives: tuple[Option, ...]
    passed_over: tuple[tuple[str, str], ...]


def recommend(
    machine: Machine,
    catalogue: Catalogue,
    tasks: Sequence[Task] = tuple(Task),
    today: date | None = None,
) -> list[Recommendation]:
    """One recommendation for each of `tasks`."""
    day = today or date.today()
    return [_recommend(task, machine, catalogue, day) for task in tasks]


def _recommend(task: Task, machine: Machine, catalogue: Catalogue, today: date) -> Recommendation:
    options: list[Option] = []
    passed_over: list[tuple[str, str]] = []
    candidates = _candidates(task, catalogue, today)
    for model in candidates:
        option = _option(NEEDS[task], task, model, machine, catalogue, today)
        if option is not None:
            options.append(option)
        elif not options:
            passed_over.append((model.name, _why_not(task, model, machine)))
    if not options:
        options = _slow_options(task, candidates, machine, catalogue, today)
    return Recommendation(
        task, options[0] if options else None, tuple(options[1:]), tuple(passed_over)
    )


def _slow_options(
    task: Task,
    candidates: Sequence[CatalogueModel],
    machine: Machine,
    catalogue: Catalogue,
    today: date,
) -> list[Option]:
    """Where nothing is fast enough: what fits in its coarsest form, the fastest first."""
    needs = NEEDS[task]
    patient = replace(needs, least_tps=0, quantizations=needs.quantizations[-1:])
    found = [_option(patient, task, model, machine, catalogue, today) for model in candidates]
    slow = f"Slower than this task asks for, {needs.least_tps:.0f} tok/s."
    options = [replace(option, reasons=(*option.reasons, slow)) for option in found if option]
    return sorted(options, key=lambda option: -_tps(option.form.fit))


def _candidates(task: Task, catalogue: Catalogue, today: date) -> list[CatalogueModel]:
    """Models made for the task, the one to be tried first at the front."""
    models = [model for model in catalogue.models.values() if task in model.tasks]

    def size(model: CatalogueModel) -> int:
        return -model.shape.parameters

    if NEEDS[task].by_size:
        return sorted(models, key=lambda m: (m.is_aged(today), size(m), -m.released.toordinal()))
    return sorted(models, key=lambda m: (-m.released.toordinal(), size(m)))


def _option(
    needs: Needs,
    task: Task,
    model: CatalogueModel,
    machine: Machine,
    catalogue: Catalogue,
    today: date,
) -> Option | None:
    for window in _windows(needs, model):
        forms = [
            form
            for engine in _engines(task, machine)
            if (form := _best_form(needs, model, machine, engine, window)) is not None
        ]
        if not forms:
            continue
        kv_type = _kv_type(needs, model, forms[0].engine)
        draft, draft_reason = _draft(model, machine, catalogue, forms[0], window, kv_type)
        reasons = (*_reasons(task, model, forms[0], kv_type, window), draft_reason)
        return Option(
            model=model,
            form=forms[0],
            other=forms[1] if len(forms) > 1 else None,
            draft_model=draft,
            kv_type=kv_type,
            context_tokens=window,
            reasons=tuple(reason for reason in reasons if reason),
            is_aged=model.is_aged(today),
        )
    return None


def _windows(needs: Needs, model: CatalogueModel) -> list[int]:
    """No longer than the model's own; that one where it is shorter than all of them."""
    own = model.shape.context_window_tokens
    return [window for window in needs.windows_tokens if window <= own] or [own]


def _engines(task: Task, machine: Machine) -> tuple[str, ...]:
    """The better one first: MLX on a Mac, but for long prompts."""
    if machine.gpu is not GPU.METAL:
        return (LLAMA_CPP,)
    return (LLAMA_CPP, MLX) if task is Task.LONG_DOCUMENTS else (MLX, LLAMA_CPP)


def _best_form(
    needs: Needs, model: CatalogueModel, machine: Machine, engine: str, window: int
) -> Form | None:
    """The finest quantization that fits and is fast enough; else, where allowed, a tight one."""
    forms = list(_forms(needs, model, machine, engine, window))
    fast = [form for form in forms if _tps(form.fit) >= needs.least_tps]
    for form in fast:
        if form.fit.verdict is Verdict.FITS:
            return form
    if needs.may_be_tight and fast and fast[-1].fit.verdict is Verdict.TIGHT:
        return fast[-1]
    return None


def _forms(
    needs: Needs, model: CatalogueModel, machine: Machine, engine: str, window: int
) -> Iterator[Form]:
    """The model's forms on one engine, the finest first."""
    named = _published(needs, model, engine)
    for quantization, repository in named.items():
        question = _question(model, quantization, engine, window, _kv_type(needs, model, engine))
        yield Form(engine, repository, quantization, fit_model(question, machine))


def _published(needs: Needs, model: CatalogueModel, engine: str) -> dict[str, str]:
    if engine == LLAMA_CPP:
        return {name: f"{model.gguf}:{name}" for name in needs.quantizations} if model.gguf else {}
    forms = dict(reversed(model.mlx_forms.items()))
    if len(needs.quantizations) > 1 or not forms:
        return forms
    coarsest = list(forms)[-1]
    return {coarsest: forms[coarsest]}


def _question(
    model: CatalogueModel, quantization: str, engine: str, window: int, kv_type: str
) -> FitQuestion:
    return FitQuestion(
        shape=model.shape,
        weights=model.weights_in(quantization),
        context_tokens=window,
        kv_type=kv_type,
        engine=engine,
        prompt_tokens=_PROMPT_TOKENS,
    )


def _kv_type(needs: Needs, model: CatalogueModel, engine: str) -> str:
    """MLX cannot quantize a cache that keeps a window alone."""
    has_window = any(kind.window_tokens for kind in model.shape.attention)
    return "f16" if engine == MLX and has_window else needs.kv_type


def _draft(
    model: CatalogueModel,
    machine: Machine,
    catalogue: Catalogue,
    form: Form,
    window: int,
    kv_type: str,
) -> tuple[str | None, str]:
    """The draft model's repository, and the reason for it or against one."""
    if model.shape.is_mixture:
        return None, "No draft model: a mixture of experts reads other experts for each token."
    if model.shape.forgets:
        return None, "No draft model goes with its layers; lookups in the conversation do."
    small = catalogue.models.get(model.draft)
    if small is None:
        return None, ""
    names = small.mlx_forms if form.engine == MLX else {"Q8_0": f"{small.gguf}:Q8_0"}
    quantization, repository = list(names.items())[-1]
    question = replace(
        _question(model, form.quantization, form.engine, window, kv_type),
        draft=Draft(small.shape, small.weights_in(quantization)),
    )
    if judge(question, machine) is not form.fit.verdict:
        return None, f"No draft model: {small.name} would not fit beside it."
    return repository, f"{small.name} drafts for it: the same answer in fewer steps."


def _reasons(
    task: Task, model: CatalogueModel, form: Form, kv_type: str, window: int
) -> Iterator[str]:
    needs = NEEDS[task]
    age = "the largest that runs well here" if needs.by_size else "the newest that runs well here"
    yield f"{model.family} ({model.released:%B %Y}) is {age}; licence: {model.license}."
    yield _ENGINE_REASONS[form.engine, task is Task.LONG_DOCUMENTS] + "."
    described = describe_quantization(
        find_quantization(form.quantization), form.fit.weights_bytes, _tps(form.fit)
    )
    yield f"{described}."
    yield from form.fit.reasons
    if kv_type == "q8_0":
        yield f"A KV cache in q8_0 takes half the memory of f16, for {window:,} tokens."
    if task is Task.VISION:
        yield "It can see images; this program gives it text so far."


def _why_not(task: Task, model: CatalogueModel, machine: Machine) -> str:
    """What keeps the model from being recommended, of its smallest form."""
    needs = NEEDS[task]
    window = _windows(needs, model)[-1]
    for engine in _engines(task, machine):
        forms = list(_forms(needs, model, machine, engine, window))
        if not forms:
            continue
        fit = forms[-1].fit
        if fit.verdict is Verdict.NO or (fit.verdict is Verdict.TIGHT and not needs.may_be_tight):
            return fit.reasons[0]
        return f"About {_tps(fit):.0f} tok/s in {forms[-1].quantization} here."
    return "No engine of this machine runs it."


def _tps(fit: Fit) -> float:
    return fit.short.decode.middle_tps if fit.short.decode else 0.0
