"""The losses of a training as a table beside its adapter, gone on with when it is resumed."""

from __future__ import annotations

import csv
from pathlib import Path

from engines.model_files.training_plan import TrainingReport

FILE_NAME = "losses.csv"
_HEADING = ("iteration", "train_loss", "validation_loss")


def read_losses(folder: Path) -> list[TrainingReport]:
    """The reports of earlier runs, without what is not kept; none where there was none."""
    try:
        with (folder / FILE_NAME).open(newline="", encoding="utf-8") as file:
            return [
                TrainingReport(
                    int(row["iteration"]),
                    0,
                    _number(row["train_loss"]),
                    _number(row["validation_loss"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write_losses(folder: Path, reports: list[TrainingReport]) -> None:
    with (folder / FILE_NAME).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(_HEADING)
        for report in reports:
            table.writerow([report.iteration, report.train_loss, report.validation_loss])


def _number(text: str) -> float | None:
    return float(text) if text else None
