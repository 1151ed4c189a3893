"""What a training is asked to do, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engines.model_files.training_data import Example


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """The adapter's matrices; the names are those of mlx_lm's `lora_parameters`."""

    rank: int = 8
    scale: float = 20.0
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """One training.

    Args:
        model: The model's file or folder; `reference` is what the user called it.
        folder: The adapter's.
        iterations: To be reached, `done_iterations` of an earlier run counted in.
        layers: The last so many get adapters.
        check_every: Iterations between two looks at the validation loss.
        patience: Looks without gain that end the training; 0 never does.
        saves_memory: Compute activations twice instead of keeping them.
    """

    model: Path
    reference: str
    folder: Path
    examples: tuple[Example, ...]
    validation: tuple[Example, ...]
    iterations: int
    done_iterations: int = 0
    batch_size: int = 4
    learning_rate: float = 1e-5
    layers: int = 16
    max_tokens: int = 2048
    check_every: int = 50
    patience: int = 0
    saves_memory: bool = False
    seed: int = 0
    lora: LoraSettings = field(default_factory=LoraSettings)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """One of the losses is known; the loss is the mean of -ln p over the answers' tokens."""

    iteration: int
    iterations: int
    train_loss: float | None = None
    validation_loss: float | None = None
    tokens_per_s: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How it ended.

    Args:
        iterations: Of the adapter that is kept.
        ended: `finished`, `stopped early` or `cancelled`.
        has_gguf: True where llama.cpp can load the adapter as well.
    """

    folder: Path
    iterations: int
    train_loss: float | None
    best_validation_loss: float | None
    ended: str
    has_gguf: bool
