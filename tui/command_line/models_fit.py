"""`llm-tui models fit`: will a model fit, and how fast will it be, before it is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tui.command_line.failure import WrongUse
from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json, print_table

if TYPE_CHECKING:
    from engines.fit import Fit
    from engines.fit_question import Draft, FitQuestion
    from engines.hardware import Machine
    from engines.model_shape import ModelShape, Weights
    from engines.speed import SpeedEstimate
    from profiles.catalogue import Catalogue, CatalogueModel

_DEFAULT_WINDOW_TOKENS = 8192
_DEFAULT_PROMPT_TOKENS = 1000
_GUESS = "neither here nor in the catalogue: guessed by its name and models of that size"


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that was named.

    Args:
        entry: Of the catalogue; None for a model that lies here and is not in it.
        engine: The one that runs this form, or an empty string where either does.
        is_guess: Nothing is known of it but the size in its name.
    """

    shape: ModelShape
    weights: Weights
    engine: str
    entry: CatalogueModel | None = None
    is_guess: bool = False


@click.command("fit")
@click.argument("name", metavar="MODEL")
@click.option("--quant", "quantization", metavar="Q", help="Q4_K_M, UD-Q4_K_XL, 4-bit, 8-bit …")
@click.option(
    "--context",
    "context_tokens",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Context window to reserve for [default: {_DEFAULT_WINDOW_TOKENS:,}].",
)
@click.option("--kv", "kv_type", default="f16", metavar="TYPE", help="KV cache: f16, q8_0, q4_0.")
@click.option("--draft", metavar="MODEL", help="Draft model beside it.")
@click.option(
    "--prompt-tokens",
    type=click.IntRange(min=1),
    default=_DEFAULT_PROMPT_TOKENS,
    show_default=True,
    help="Prompt that the speed and the time to the first token are told for.",
)
@click.option("--engine", type=click.Choice(["mlx", "llama.cpp"]), help="For the KV cache's size.")
@click.option(
    "--machine", "described", metavar="WORDS", help='Ask for another machine: "M4 Pro 24GB".'
)
@json_option
@debug_option
def fit(
    name: str,
    quantization: str | None,
    context_tokens: int | None,
    kv_type: str,
    draft: str | None,
    prompt_tokens: int,
    engine: str | None,
    described: str | None,
    as_json: bool,
) -> None:
    """Say whether MODEL fits and how fast it will be; loads and downloads nothing.

    MODEL is a model on this machine, or the name or repository of one in the catalogue.
    """
    from engines.described_machine import choose_machine
    from engines.fit import fit_model
    from engines.fit_question import FitQuestion
    from profiles.catalogue import load_catalogue
    from tui.paths import app_paths

    _check_kv_type(kv_type)
    catalogue = load_catalogue(app_paths().config)
    machine = choose_machine(described, app_paths().cache)
    asked = find_asked(name, quantization, catalogue)
    question = FitQuestion(
        shape=asked.shape,
        weights=asked.weights,
        context_tokens=context_tokens or _window(asked.shape),
        kv_type=kv_type,
        draft=_draft(draft, catalogue),
        prompt_tokens=prompt_tokens,
        engine=engine or asked.engine or _usual_engine(machine),
    )
    answer = fit_model(question, machine)
    if as_json:
        print_json(_as_json(asked, question, answer, machine))
        return
    print_table((), _rows(asked, question, answer, machine))


def find_asked(name: str, quantization: str | None, catalogue: Catalogue) -> Asked:
    """The model on this machine, else the one of the catalogue.

    Raises:
        ModelNotFound: there is neither.
        ModelLoadError: it is here and cannot be used, or the quantization is not known.
    """
    from engines.errors import ModelNotFound
    from engines.model_files.foreign_formats import check_repository_name
    from engines.model_files.locate import locate_model

    try:
        path = locate_model(name)
    except ModelNotFound as missing:
        check_repository_name(name)
        try:
            return _in_catalogue(name, quantization, catalogue)
        except ModelNotFound as unknown:
            raise (missing if _is_path(name) else unknown) from None
    from engines.model_files.folder_shape import read_folder_model
    from engines.model_files.gguf_shape import read_gguf_model

    shape, weights = read_folder_model(path) if path.is_dir() else read_gguf_model(path)
    engine = "mlx" if path.is_dir() else ""
    if quantization:
        from engines.model_shape import weights_by_bits
        from engines.quantization import find_quantization

        other = find_quantization(quantization)
        weights = weights_by_bits(shape, other.bits_per_weight, other.name)
        engine = _engine_of(other.format)
    return Asked(shape, weights, engine)


def _in_catalogue(name: str, quantization: str | None, catalogue: Catalogue) -> Asked:
    """By the catalogue's entry; for a repository that is not in it, by the size in its name."""
    from engines.errors import ModelNotFound

    try:
        found = catalogue.find(name)
    except ModelNotFound:
        repository, _, named = name.partition(":")
        guess = catalogue.guess(repository) if "/" in name and not _is_path(name) else None
        if guess is None:
            raise
        return _guessed(guess, quantization or named or "Q4_K_M")
    weights = found.model.weights_in(quantization or found.quantization or "Q4_K_M")
    from engines.quantization import find_quantization

    engine = _engine_of(find_quantization(weights.quantization).format)
    return Asked(found.model.shape, weights, engine, found.model)


def _guessed(shape: ModelShape, quantization: str) -> Asked:
    from engines.model_shape import weights_by_bits
    from engines.quantization import find_quantization

    known = find_quantization(quantization)
    weights = weights_by_bits(shape, known.bits_per_weight, known.name)
    return Asked(shape, weights, _engine_of(known.format), is_guess=True)


def _engine_of(form: str) -> str:
    return "mlx" if form == "mlx" else "llama.cpp"


def _usual_engine(machine: Machine) -> str:
    return "mlx" if machine.system == "Darwin" else "llama.cpp"


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~", "ollama:", "lmstudio:")) or name.endswith(".gguf")


def _check_kv_type(kv_type: str) -> None:
    from engines.model_shape import KV_BITS

    if kv_type not in KV_BITS:
        raise WrongUse(
            f"There is no KV cache of type {kv_type}.", f"Choose one of: {', '.join(KV_BITS)}."
        )


def _window(shape: ModelShape) -> int:
    return min(_DEFAULT_WINDOW_TOKENS, shape.context_window_tokens or _DEFAULT_WINDOW_TOKENS)


def _draft(name: str | None, catalogue: Catalogue) -> Draft | None:
    from engines.fit_question import Draft

    if not name or name == "off":
        return None
    asked = find_asked(name, None, catalogue)
    return Draft(asked.shape, asked.weights)


def _rows(
    asked: Asked, question: FitQuestion, answer: Fit, machine: Machine
) -> list[tuple[str, str]]:
    from engines.memory import size_text
    from tui.command_line.models_list import parameters_text

    exact = "" if question.weights.is_exact else " (by parameters and bits)"
    active = asked.shape.active_parameters
    of_them = f", {parameters_text(active)} active" if asked.shape.is_mixture else ""
    parameters = parameters_text(asked.shape.parameters)
    rows = [
        ("model", f"{asked.shape.name}, {parameters} parameters{of_them}"),
        ("machine", machine.label),
        ("weights", f"{size_text(answer.weights_bytes)} in {question.weights.quantization}{exact}"),
        (
            "KV cache",
            f"{size_text(question.kv_bytes)} for {question.context_tokens:,} tokens"
            f" in {question.kv_type}",
        ),
        ("draft model", size_text(answer.draft_bytes) if answer.draft_bytes else ""),
        ("buffers", size_text(answer.working_bytes)),
        ("in all", f"{size_text(answer.needed_bytes)} of {size_text(answer.limits.hard_bytes)}"),
        ("verdict", answer.verdict.value),
        *(("", reason) for reason in answer.reasons),
        *(("would help", remedy) for remedy in answer.remedies),
        ("longest window", _tokens(answer.largest_window_tokens)),
        ("decode", _decode_text(answer.short)),
        ("at full window", _decode_text(answer.full)),
        ("first token", _ttft_text(answer.short)),
        ("licence", asked.entry.license if asked.entry else ""),
        ("note", _GUESS if asked.is_guess else _age_note(asked.entry)),
        ("now", _pressure_text(answer, machine)),
    ]
    return [(key, value) for key, value in rows if value]


def _tokens(count: int) -> str:
    return f"{count:,} tokens" if count else ""


def _decode_text(speed: SpeedEstimate) -> str:
    if speed.decode is None:
        return "not known: this machine's memory bandwidth is not"
    ceiling = f", ceiling {speed.ceiling_tps:.0f}" if speed.ceiling_tps else ""
    low, high = speed.decode.low_tps, speed.decode.high_tps
    return f"{low:.0f}-{high:.0f} tok/s with {speed.context_tokens:,} tokens in use{ceiling}"


def _ttft_text(speed: SpeedEstimate) -> str:
    if speed.ttft_s is None or speed.prefill is None:
        return "not known: measure it with llm-tui bench prefill"
    low, high = speed.ttft_s
    return (
        f"{low:.1f}-{high:.1f} s after a prompt of {speed.context_tokens:,} tokens"
        f" (prefill {speed.prefill.low_tps:,.0f}-{speed.prefill.high_tps:,.0f} tok/s)"
    )


def _age_note(entry: CatalogueModel | None) -> str:
    from datetime import date

    if entry is None or not entry.is_aged(date.today()):
        return ""
    return f"released in {entry.released:%B %Y}, more than a year ago: look for a newer model"


def _pressure_text(answer: Fit, machine: Machine) -> str:
    """What is free at this moment, where that is too little for a model that would fit."""
    from engines.memory import size_text

    free = machine.memory_available_bytes
    if machine.is_described or machine.gpu_memory_bytes or answer.needed_bytes <= free:
        return ""
    return f"only {size_text(free)} are free (memory pressure: {machine.memory_pressure.value})"


def _as_json(asked: Asked, question: FitQuestion, answer: Fit, machine: Machine) -> dict[str, Any]:
    entry = asked.entry
    return {
        "model": asked.shape.name,
        "parameters": asked.shape.parameters,
        "active_parameters": asked.shape.active_parameters,
        "quantization": question.weights.quantization,
        "weights_are_exact": question.weights.is_exact,
        "is_guess": asked.is_guess,
        "engine": question.engine,
        "context_tokens": question.context_tokens,
        "kv_type": question.kv_type,
        "license": entry.license if entry else None,
        "released": entry.released if entry else None,
        "machine": machine.to_json() | {"label": machine.label},
        **answer.to_json(),
    }
