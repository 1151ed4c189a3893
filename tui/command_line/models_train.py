"""`llm-tui models train`: a LoRA adapter from examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.command_line.failure import INTERRUPTED
from tui.command_line.options import debug_option, json_option
from tui.command_line.printing import print_json

if TYPE_CHECKING:
    from engines.model_files.training_plan import TrainingPlan, TrainingReport, TrainingResult

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("train")
@click.argument("data", type=_FILE, metavar="DATA.jsonl")
@click.option("--model", required=True, metavar="MODEL", help="The model to train on.")
@click.option("--iters", type=click.IntRange(1), required=True, metavar="N", help="Iterations.")
@click.option("--valid", type=_FILE, help="Examples to check with; default: every tenth of DATA.")
@click.option("--batch-size", type=click.IntRange(1), default=4, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, 1), default=1e-5, show_default=True)
@click.option("--rank", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--layers", type=click.IntRange(1), default=16, show_default=True, help="Last ones.")
@click.option("--max-tokens", type=click.IntRange(16), default=2048, show_default=True)
@click.option("--check-every", type=click.IntRange(1), help="Iterations between two checks.")
@click.option(
    "--patience", type=click.IntRange(0), default=0, help="End after so many checks without gain."
)
@click.option("--save-memory", "saves_memory", is_flag=True, help="Slower, with less memory.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0)
@click.option("--resume", is_flag=True, help="Go on with the adapter that --output holds.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Folder of the adapter.")
@json_option
@debug_option
@click.pass_context
def train(ctx: click.Context, /, as_json: bool, **values: Any) -> None:
    """Train a LoRA adapter on the examples of DATA.jsonl, with MLX.

    A line is {"messages": [...]}, {"prompt": ..., "completion": ...} or {"text": ...}; of messages
    the last one is learned. Ctrl+C keeps what was learned so far. Prints the adapter's folder,
    which a profile names as its adapter; llama.cpp loads it too where the model's family allows.
    """
    from engines.errors import EngineUnavailable
    from engines.model_files.loss_record import read_losses
    from engines.registry import why_unavailable

    if (reason := why_unavailable("mlx")) is not None:
        raise EngineUnavailable(reason.message, reason.hint)
    plan = _plan(values)
    earlier = read_losses(plan.folder) if values["resume"] else []
    result, reports = _run(plan, earlier)
    if as_json:
        print_json(_as_json(result, reports))
    else:
        _print_result(result, reports)
    ctx.exit(INTERRUPTED if result.ended == "cancelled" else 0)


def _plan(values: dict[str, Any]) -> TrainingPlan:
    from engines.model_files.conversion_plan import base_name
    from engines.model_files.locate import locate_model
    from engines.model_files.training_data import read_examples, split_examples
    from engines.model_files.training_plan import LoraSettings, TrainingPlan
    from tui.model_folders import adapters_folder

    model = locate_model(values["model"], "mlx")
    default = f"{base_name(values['model'], model)}-{values['data'].stem}"
    folder = values["output"] or adapters_folder() / default
    done = _check_folder(folder, values["resume"], values["iters"])
    examples = read_examples(values["data"])
    if values["valid"]:
        learned, checked = examples, read_examples(values["valid"])
    else:
        learned, checked = split_examples(examples)
    return TrainingPlan(
        model=model,
        reference=values["model"],
        folder=folder,
        examples=tuple(learned),
        validation=tuple(checked),
        iterations=values["iters"],
        done_iterations=done,
        batch_size=values["batch_size"],
        learning_rate=values["learning_rate"],
        layers=values["layers"],
        max_tokens=values["max_tokens"],
        check_every=values["check_every"] or max(1, values["iters"] // 10),
        patience=values["patience"],
        saves_memory=values["saves_memory"],
        seed=values["seed"],
        lora=LoraSettings(rank=values["rank"]),
    )


def _check_folder(folder: Path, resume: bool, iterations: int) -> int:
    """Iterations that are done already.

    Raises:
        TrainingError: the folder holds an adapter that must not be lost, or none to go on with.
    """
    from engines.errors import TrainingError
    from engines.model_files.adapters import WEIGHTS_FILE
    from engines.model_files.loss_record import read_losses

    has_adapter = (folder / WEIGHTS_FILE).exists()
    if not resume:
        if has_adapter:
            raise TrainingError(
                f"{folder} holds an adapter already.", "Go on with --resume, or name an --output."
            )
        return 0
    done = max((report.iteration for report in read_losses(folder)), default=0)
    if not has_adapter or not done:
        raise TrainingError(f"{folder} holds no training to go on with.", "Leave --resume away.")
    if done >= iterations:
        raise TrainingError(
            f"The adapter has {done:,} iterations already.", f"Ask for more than --iters {done}."
        )
    return done


def _run(
    plan: TrainingPlan, earlier: list[TrainingReport]
) -> tuple[TrainingResult, list[TrainingReport]]:
    from engines.mlx.training import train_adapter
    from engines.model_files.loss_record import write_losses
    from tui.command_line.loss_curve import draw_losses
    from tui.command_line.work_line import WorkLine

    reports = list(earlier)
    with WorkLine() as line:
        line.show("reading the model and the examples")

        def report(report: TrainingReport) -> None:
            reports.append(report)
            line.show(_progress_text(report))

        result = train_adapter(plan, report, lambda: False)
    write_losses(plan.folder, reports)
    (plan.folder / "losses.svg").write_text(draw_losses(reports), encoding="utf-8")
    return result, reports


def _progress_text(report: TrainingReport) -> str:
    parts = [f"iteration {report.iteration:,} of {report.iterations:,}"]
    if report.train_loss is not None:
        parts.append(f"loss {report.train_loss:.3f}")
    if report.validation_loss is not None:
        parts.append(f"validation loss {report.validation_loss:.3f}")
    if report.tokens_per_s is not None:
        parts.append(f"{report.tokens_per_s:,.0f} tok/s")
    return " · ".join(parts)


def _print_result(result: TrainingResult, reports: list[TrainingReport]) -> None:
    from tui.command_line.loss_curve import sparkline

    losses = [report.train_loss for report in reports if report.train_loss is not None]
    checks = [report.validation_loss for report in reports if report.validation_loss is not None]
    for name, values in (("loss", losses), ("validation loss", checks)):
        if values:
            curve = f"{values[0]:.3f} {sparkline(values)} {values[-1]:.3f}"
            click.echo(f"{name:15}  {curve}", err=True)
    engines = "MLX and llama.cpp" if result.has_gguf else "MLX"
    click.echo(f"{result.ended} at iteration {result.iterations:,}; for {engines}.", err=True)
    click.echo(result.folder)
    click.echo(f'In a profile: adapter = "{result.folder}"', err=True)


def _as_json(result: TrainingResult, reports: list[TrainingReport]) -> dict[str, Any]:
    return {
        "folder": str(result.folder),
        "iterations": result.iterations,
        "ended": result.ended,
        "train_loss": result.train_loss,
        "best_validation_loss": result.best_validation_loss,
        "has_gguf": result.has_gguf,
        "losses": [
            {
                "iteration": report.iteration,
                "train_loss": report.train_loss,
                "validation_loss": report.validation_loss,
            }
            for report in reports
        ],
    }
