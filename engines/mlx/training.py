"""LoRA training with mlx_lm's trainer, which ends in an adapter that both engines can load."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.optimizers import Adam
from mlx.utils import tree_flatten

from engines.base import Cancelled
from engines.chat_template import ChatTemplate
from engines.errors import EngineError, ModelLoadError, NotEnoughMemory, TrainingError
from engines.memory import size_text
from engines.mlx.adapter import ORIGIN, describe_origin
from engines.mlx.adapter_file import write_gguf_adapter
from engines.mlx.device import Device, current_device
from engines.mlx.library import import_mlx_lm
from engines.mlx.loaded_model import LoadedModel
from engines.mlx.loading import load_model, plan_model
from engines.model_files.adapters import SETTINGS_FILE, WEIGHTS_FILE
from engines.model_files.training_data import Example
from engines.model_files.training_plan import TrainingPlan, TrainingReport, TrainingResult

_LOGIT_COPIES_BYTES = 12
_LAYER_VALUES_BYTES = 64
_REPORTS = 200

Tokens = tuple[list[int], int]
"""Token ids, and how many at the beginning are not to be learned."""


def train_adapter(
    plan: TrainingPlan, report: Callable[[TrainingReport], None], cancelled: Cancelled
) -> TrainingResult:
    """Train on `plan.examples` and write the adapter to `plan.folder`.

    With `plan.patience` the adapter of the best validation loss is kept, otherwise the last one;
    one is written also where training is cancelled.

    Raises:
        ModelNotFound, ModelLoadError: the model cannot be used.
        NotEnoughMemory: it would not fit.
        TrainingError: an example is too long, or there are too few.
    """
    device = current_device()
    model_plan = plan_model(plan.model, device)
    model = load_model(model_plan, device)
    learned = tokenize_examples(model, plan.examples, plan.max_tokens)
    checked = tokenize_examples(model, plan.validation, plan.max_tokens)
    _check_counts(plan, learned, checked)
    _check_memory(plan, model, learned + checked, device)
    origin = describe_origin(model, model.parameters)
    run = _Run(plan, model, origin, report, cancelled)
    return run.train(learned, checked)


def tokenize_examples(
    model: LoadedModel, examples: Sequence[Example], max_tokens: int
) -> list[Tokens]:
    """Every example as the app would put it to the model, with the end of its answer.

    Raises:
        TrainingError: one leaves no room for its answer.
    """
    tokenizer = model.tokenizer
    template = ChatTemplate(tokenizer.chat_template, tokenizer.bos_token, tokenizer.eos_token)
    tokenized: list[Tokens] = []
    for number, example in enumerate(examples, start=1):
        text = template.render(example.messages) if example.messages else ""
        prompt = tokenizer.encode(text)
        answer = tokenizer.encode(example.answer + tokenizer.eos_token)
        if len(prompt) + 1 >= max_tokens:
            raise TrainingError(
                f"The prompt of example {number} takes {len(prompt):,} of {max_tokens:,} tokens.",
                "Shorten it, or allow more with --max-tokens.",
            )
        tokenized.append(((prompt + answer)[:max_tokens], len(prompt)))
    return tokenized


class _Stopped(Exception):
    """Ends the trainer's loop from within a report."""


class _Run:
    """One training; mlx_lm's trainer calls the `on_…` methods."""

    def __init__(
        self,
        plan: TrainingPlan,
        model: LoadedModel,
        origin: dict[str, Any],
        report: Callable[[TrainingReport], None],
        cancelled: Cancelled,
    ) -> None:
        self.plan = plan
        self.model = model
        self.origin = origin
        self.done = plan.done_iterations
        self.train_loss: float | None = None
        self.best_loss: float | None = None
        self.best_iteration = 0
        self.ended = "finished"
        self._tell = report
        self._stdout = sys.stdout
        self._cancelled = cancelled
        self._rounds_without_gain = 0

    def train(self, learned: list[Tokens], checked: list[Tokens]) -> TrainingResult:
        plan = self.plan
        mx.random.seed(plan.seed)
        np.random.seed(plan.seed)
        trainer = import_mlx_lm("tuner.trainer")
        self._add_layers()
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        with redirect_stdout(io.StringIO()):  # the trainer draws a screen of its own
            try:
                trainer.train(
                    model=self.model.network,
                    optimizer=Adam(learning_rate=plan.learning_rate),
                    train_dataset=learned,
                    val_dataset=checked or None,
                    args=self._trainer_arguments(trainer, len(learned)),
                    training_callback=self,
                )
            except _Stopped:
                pass
            except KeyboardInterrupt:
                self.ended = "cancelled"
            except (ValueError, RuntimeError) as error:
                raise _failure(error) from error
        if plan.patience and self.best_loss is not None:
            self.done = self.best_iteration
        else:
            self._save()
        exported = write_gguf_adapter(plan.folder, self.model.network, plan.lora.scale)
        return TrainingResult(
            plan.folder, self.done, self.train_loss, self.best_loss, self.ended, exported
        )

    def on_train_loss_report(self, values: dict[str, Any]) -> None:
        self.done = self.plan.done_iterations + int(values["iteration"])
        self.train_loss = float(values["train_loss"])
        self._report(
            TrainingReport(
                self.done,
                self.plan.iterations,
                train_loss=self.train_loss,
                tokens_per_s=float(values["tokens_per_second"]),
                peak_memory_bytes=mx.get_peak_memory(),
            )
        )
        if self.train_loss != self.train_loss:
            raise TrainingError("The loss is not a number any more.", "Lower --learning-rate.")
        if self._cancelled():
            self.ended = "cancelled"
            raise _Stopped

    def on_val_loss_report(self, values: dict[str, Any]) -> None:
        loss = float(values["val_loss"])
        done = self.plan.done_iterations + int(values["iteration"])
        self._report(TrainingReport(done, self.plan.iterations, validation_loss=loss))
        if self.best_loss is None or loss < self.best_loss:
            self.best_loss, self.best_iteration = loss, done
            self._rounds_without_gain = 0
            self._save()
            return
        self._rounds_without_gain += 1
        if self.plan.patience and self._rounds_without_gain >= self.plan.patience:
            self.ended = "stopped early"
            raise _Stopped

    def _report(self, report: TrainingReport) -> None:
        with redirect_stdout(self._stdout):
            self._tell(report)

    def _add_layers(self) -> None:
        network, plan = self.model.network, self.plan
        network.freeze()
        tuner = import_mlx_lm("tuner.utils")
        try:
            tuner.linear_to_lora_layers(network, self._layers, asdict(plan.lora))
            if plan.done_iterations:
                network.load_weights(str(plan.folder / WEIGHTS_FILE), strict=False)
        except (ValueError, RuntimeError, OSError) as error:
            raise _failure(error) from error

    @property
    def _layers(self) -> int:
        return min(self.plan.layers, len(self.model.network.layers))

    def _trainer_arguments(self, trainer: Any, examples: int) -> Any:
        plan = self.plan
        left = plan.iterations - plan.done_iterations
        return trainer.TrainingArgs(
            batch_size=min(plan.batch_size, examples),
            iters=left,
            val_batches=-1,
            steps_per_report=max(1, left // _REPORTS),
            steps_per_eval=plan.check_every,
            steps_per_save=left + 1,
            max_seq_length=plan.max_tokens,
            adapter_file=str(plan.folder / WEIGHTS_FILE),
            grad_checkpoint=plan.saves_memory,
        )

    def _save(self) -> None:
        weights: Any = tree_flatten(self.model.network.trainable_parameters())
        partial = self.plan.folder / f"partial-{WEIGHTS_FILE}"
        mx.save_safetensors(str(partial), dict(weights))
        partial.replace(self.plan.folder / WEIGHTS_FILE)

    def _write_settings(self) -> None:
        settings = {
            "fine_tune_type": "lora",
            "num_layers": self._layers,
            "lora_parameters": asdict(self.plan.lora),
            "model": self.plan.reference,
            ORIGIN: self.origin,
        }
        text = json.dumps(settings, indent=2) + "\n"
        (self.plan.folder / SETTINGS_FILE).write_text(text, encoding="utf-8")


def _check_counts(plan: TrainingPlan, learned: list[Tokens], checked: list[Tokens]) -> None:
    if checked and len(checked) < min(plan.batch_size, len(learned)):
        raise TrainingError(
            f"{len(checked)} examples to check with are fewer than a batch of {plan.batch_size}.",
            "Give more, or a smaller --batch-size.",
        )


def _check_memory(
    plan: TrainingPlan, model: LoadedModel, examples: list[Tokens], device: Device
) -> None:
    """Activations of a batch: logits with their gradients, and what each layer keeps."""
    longest = max(len(tokens) for tokens, _ in examples)
    width = int(getattr(model.network.args, "hidden_size", 4096))
    per_token = model.vocabulary_size * _LOGIT_COPIES_BYTES + width * _LAYER_VALUES_BYTES * (
        2 if plan.saves_memory else len(model.network.layers)
    )
    needed = model.weights_bytes + plan.batch_size * longest * per_token
    if needed > device.available_bytes:
        raise NotEnoughMemory(
            f"Training takes about {size_text(needed)} and"
            f" {size_text(device.available_bytes)} are free.",
            "Give --batch-size 1, a smaller --max-tokens, or --save-memory.",
        )


def _failure(error: Exception) -> EngineError:
    reason = " ".join(str(error).split())[:200]
    if "memory" in reason.lower():
        return NotEnoughMemory("MLX ran out of memory.", "Give --batch-size 1 or --save-memory.")
    return ModelLoadError(f"mlx_lm cannot train this model: {reason}", "Choose another model.")
