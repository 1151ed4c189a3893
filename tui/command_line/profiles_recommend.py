"""`llm-tui profiles recommend`: for each task a model, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tui.command_line.failure import WrongUse
from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json
from tui.sanitize import one_line

if TYPE_CHECKING:
    from engines.hardware import Machine
    from profiles.recommend import Form, Option, Recommendation
    from profiles.task import Task

_SHOWN_ALTERNATIVES = 3
_INDENT = "  "


@click.command("recommend")
@click.option(
    "--machine", "described", metavar="WORDS", help='Ask for another machine: "M4 Pro 24GB".'
)
@click.option("--task", "wanted", metavar="TASK", help="One task only, such as coding.")
@json_option
@debug_option
def recommend_profiles(described: str | None, wanted: str | None, as_json: bool) -> None:
    """Recommend a model for each task: quantization, engine, draft, KV cache and context."""
    from engines.described_machine import choose_machine
    from profiles.catalogue import load_catalogue
    from profiles.recommend import recommend
    from tui.paths import app_paths

    tasks = _tasks(wanted)
    machine = choose_machine(described, app_paths().cache)
    catalogue = load_catalogue(app_paths().config)
    if catalogue.error is not None:
        click.echo(f"llm-tui: {catalogue.error.message} {catalogue.error.hint}", err=True)
    answers = recommend(machine, catalogue, tasks)
    if as_json:
        print_json(
            {
                "machine": machine.to_json() | {"label": machine.label},
                "recommendations": [_as_json(answer) for answer in answers],
            }
        )
        return
    _print_all(answers, machine)


def _tasks(wanted: str | None) -> tuple[Task, ...]:
    from profiles.task import Task

    if wanted is None:
        return tuple(Task)
    named = [task for task in Task if wanted.lower() in task.value.lower()]
    if not named:
        known = ", ".join(Task)
        raise WrongUse(f"There is no task called {wanted}.", f"Choose one of: {known}.")
    return tuple(named)


def _print_all(answers: list[Recommendation], machine: Machine) -> None:
    bandwidth = machine.memory_bandwidth_bytes_per_s
    speed = f", {bandwidth / 1e9:.0f} GB/s" if bandwidth else ""
    click.echo(f"For {machine.label}{speed}:")
    for answer in answers:
        click.echo("")
        _print(answer)


def _print(answer: Recommendation) -> None:
    click.echo(answer.task.value[0].upper() + answer.task.value[1:])
    if answer.choice is None:
        click.echo(f"{_INDENT}No model of the catalogue would do on this machine.")
    else:
        click.echo(f"{_INDENT}{one_line(_line(answer.choice))}")
        for reason in answer.choice.reasons:
            click.echo(f"{_INDENT}· {one_line(reason)}")
    for name, reason in answer.passed_over[:_SHOWN_ALTERNATIVES]:
        click.echo(f"{_INDENT}not {one_line(f'{name}: {reason}')}")
    for other in answer.alternatives[:_SHOWN_ALTERNATIVES]:
        click.echo(f"{_INDENT}or  {one_line(_line(other))}")


def _line(option: Option) -> str:
    """`Qwen3.5-9B  4-bit on mlx  16,384 tokens  ~17 tok/s`."""
    decode = option.form.fit.short.decode
    speed = f"~{decode.middle_tps:.0f} tok/s" if decode else ""
    parts = [
        option.form.model,
        f"{option.form.quantization} on {option.form.engine}",
        f"{option.context_tokens:,} tokens in {option.kv_type}",
        speed,
        f"with {option.draft_model}" if option.draft_model else "",
        option.form.fit.verdict.value,
        option.model.license,
        f"released {option.model.released:%B %Y}, more than a year ago" if option.is_aged else "",
    ]
    return ", ".join(part for part in parts if part)


def _as_json(answer: Recommendation) -> dict[str, Any]:
    return {
        "task": answer.task.value,
        "choice": _option_as_json(answer.choice) if answer.choice else None,
        "alternatives": [_option_as_json(option) for option in answer.alternatives],
        "passed_over": [{"model": name, "reason": reason} for name, reason in answer.passed_over],
    }


def _option_as_json(option: Option) -> dict[str, Any]:
    model = option.model
    return {
        "name": model.name,
        "family": model.family,
        "released": model.released,
        "checked": model.checked,
        "is_aged": option.is_aged,
        "license": model.license,
        **_form_as_json(option.form),
        "other_form": _form_as_json(option.other) if option.other else None,
        "draft_model": option.draft_model,
        "kv_type": option.kv_type,
        "context_tokens": option.context_tokens,
        "reasons": list(option.reasons),
    }


def _form_as_json(form: Form) -> dict[str, Any]:
    decode = form.fit.short.decode
    return {
        "engine": form.engine,
        "model": form.model,
        "quantization": form.quantization,
        "verdict": form.fit.verdict.value,
        "weights_bytes": form.fit.weights_bytes,
        "needed_bytes": form.fit.needed_bytes,
        "decode_tps": [decode.low_tps, decode.high_tps] if decode else None,
        "ttft_s": form.fit.short.ttft_s,
    }
