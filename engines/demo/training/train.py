"""Trains the target or the draft. See README.md for the commands in order."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import click
import torch
from safetensors.torch import load_file

from engines.demo.training.batches import Batches, Mix
from engines.demo.training.distill import OwnAnswers, distillation, log_agreement, read_prompts
from engines.demo.training.fit import (
    Plan,
    Trainer,
    cross_entropy,
    device_name,
    ramp,
    rewarm_and_decay,
    warm_up_and_decay,
)
from engines.demo.training.gguf_weights import read_gguf_weights
from engines.demo.training.model import Qwen3, build
from engines.demo.training.prepare import ROWS_FILE
from engines.demo.training.scale import FULL, SMOKE, Scale
from engines.demo.training.tokenizer import load_tokenizer

log = logging.getLogger(__name__)


def target_mix(progress: float) -> Mix:
    """Mostly sources at first, then three dialogues to two sources."""
    return Mix(ramp(progress, 0.35, 0.60, 0.12, 0.35), ramp(progress, 0.35, 0.60, 0.06, 0.25))


def tuning_mix(progress: float) -> Mix:
    """For a trained target: mostly dialogues, more of the pool towards the end."""
    return Mix(0.12, ramp(progress, 0.3, 0.7, 0.40, 0.55))


def draft_mix(progress: float) -> Mix:
    """A third dialogues of the pool, and more and more of the target's own answers."""
    return Mix(0.2, 0.35, ramp(progress, 0.3, 0.7, 0.10, 0.25))


def target_plan(seconds: float, resumed: bool) -> Plan:
    if resumed:
        return Plan(seconds, 2.5e-3, 8e-4, tuning_mix, rewarm_and_decay, halve_until=0.0)
    return Plan(seconds, 6e-3, 2e-3, target_mix, warm_up_and_decay)


def draft_plan(seconds: float, resumed: bool) -> Plan:
    if resumed:
        return Plan(seconds, 4e-3, 1.5e-3, draft_mix, rewarm_and_decay, halve_until=0.0)
    return Plan(seconds, 8e-3, 3e-3, draft_mix, warm_up_and_decay)


def load_model(shape: str, weights: Path, scale: Scale) -> Qwen3:
    """A model with the weights of a safetensors or GGUF file."""
    model = build(shape, scale.row_tokens)
    if weights.suffix == ".gguf":
        found = {
            name: torch.from_numpy(array) for name, array in read_gguf_weights(weights).items()
        }
    else:
        found = load_file(weights)
    model.load_state_dict(found)
    return model.to(device_name())


def new_or_resumed(shape: str, resume: Path | None, scale: Scale) -> Qwen3:
    model = load_model(shape, resume, scale) if resume else build(shape, scale.row_tokens)
    log.info("%s: %.2fM parameters", shape, model.parameter_count() / 1e6)
    return model.to(device_name())


class BackgroundPreparation:
    """Prepares the work folder in another process while the model compiles."""

    def __init__(self, work: Path, tokenizer: Path | None, smoke: bool) -> None:
        command = [sys.executable, "-m", "engines.demo.training.prepare", "--work", str(work)]
        command += ["--tokenizer", str(tokenizer)] if tokenizer else []
        self.process = subprocess.Popen([*command, *(["--smoke"] if smoke else [])])

    def wait(self) -> None:
        if self.process.wait() != 0:
            raise click.ClickException(
                "Preparing the training rows failed; its messages are above."
            )


def set_up(out: Path, smoke: bool) -> Scale:
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)8d ms %(message)s")
    out.mkdir(parents=True, exist_ok=True)
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(1)
    return SMOKE if smoke else FULL


file_path = click.Path(path_type=Path)
work_option = click.option("--work", type=file_path, required=True, help="Prepared rows go here.")
out_option = click.option("--out", type=file_path, required=True, help="Weights go here.")
seconds_option = click.option("--seconds", type=float, required=True, help="Time for the steps.")
resume_option = click.option("--resume", type=file_path, help="Weights to start from.")
smoke_option = click.option("--smoke", is_flag=True, help="A toy size, for a CPU.")


@click.group()
def main() -> None:
    """Train the demonstration models."""


@main.command("target")
@work_option
@out_option
@seconds_option
@resume_option
@smoke_option
@click.option("--tokenizer", type=file_path, help="Keep this tokenizer instead of training one.")
def train_target(
    work: Path, out: Path, seconds: float, resume: Path | None, smoke: bool, tokenizer: Path | None
) -> None:
    """Train the target from scratch, or go on from --resume."""
    scale = set_up(out, smoke)
    preparation = BackgroundPreparation(work, tokenizer, smoke)
    model = new_or_resumed(scale.target_shape, resume, scale)
    plan = target_plan(seconds, resume is not None)
    loss = cross_entropy(model)
    trainer = Trainer(model, loss, loss, plan, scale, out / "target.safetensors")
    trainer.warm_up()
    preparation.wait()
    trainer.run(Batches(work / ROWS_FILE, scale, device_name()))


@main.command("draft")
@work_option
@out_option
@seconds_option
@resume_option
@smoke_option
@click.option("--target", type=file_path, required=True, help="The target's weights.")
@click.option("--answer-seconds", type=float, default=45, help="Time for the target's answers.")
def train_draft(
    work: Path,
    out: Path,
    seconds: float,
    resume: Path | None,
    smoke: bool,
    target: Path,
    answer_seconds: float,
) -> None:
    """Distill the draft from the target."""
    scale = set_up(out, smoke)
    teacher = load_model(scale.target_shape, target, scale).eval().requires_grad_(False)
    tokenizer = load_tokenizer(work / "tokenizer.json")
    batches = Batches(work / ROWS_FILE, scale, device_name())
    prompts = [prompt for _, prompt in read_prompts(work, "train")]
    batches.add_answers(OwnAnswers(teacher, tokenizer, scale).rows(prompts, answer_seconds))
    model = new_or_resumed("draft", resume, scale)
    loss = distillation(model, teacher)
    plan = draft_plan(seconds, resume is not None)
    plain_loss = cross_entropy(model)
    trainer = Trainer(model, loss, plain_loss, plan, scale, out / "draft.safetensors")
    trainer.warm_up()
    trainer.run(batches)
    log_agreement(teacher, model, tokenizer, work, scale)


if __name__ == "__main__":
    main()
