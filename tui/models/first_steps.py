"""The three choices of somebody who starts the program for the first time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engines.fit_question import Verdict
from engines.registry import why_unavailable
from profiles.task import Task
from tui.daemon_thread import on_daemon_thread
from tui.models.library import ModelLibrary
from tui.models.listing import recommended_row
from tui.models.row import ModelRow, gb_text
from tui.models.row_line import short_name, tps_text

if TYPE_CHECKING:
    from engines.hardware import Machine

_NAME_WIDTH = 28
_PLEASANT_TPS = 10.0
_DOWNLOAD_TASK = Task.DAILY_CHAT


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What there is to choose from.

    Args:
        machine: In a few words.
        here: The best model that lies here and fits; None where there is none.
        download: The recommended one; None where it is here already or none would do.
    """

    machine: str
    here: ModelRow | None
    download: ModelRow | None

    def texts(self) -> tuple[tuple[str, str], ...]:
        """Title and note of each choice, in order; an empty note says why there is none."""
        return (
            ("use what you have", _figures(self.here) if self.here else "no other model found"),
            ("download", _figures(self.download) if self.download else self._no_download()),
            ("stay on the demo model", "F4 shows every model at any time"),
        )

    def row(self, number: int) -> ModelRow | None:
        """The model of a choice, counted from 1."""
        return {1: self.here, 2: self.download}.get(number)

    def _no_download(self) -> str:
        return "the recommended model is here" if self.here else "nothing fits this machine"


async def look_for_first_steps(library: ModelLibrary) -> FirstSteps:
    """Look at the models and the machine; takes its time, away from the interface."""
    async for _ in library.look():
        pass
    machine = await on_daemon_thread(library.sources.machine)
    recommended = await on_daemon_thread(partial(_recommended, library, machine))
    here = [row for row in library.rows if row.is_here]
    present = None
    if recommended is not None:
        wanted = recommended.reference.lower()
        present = next((row for row in here if row.reference.lower() == wanted), None)
    return FirstSteps(machine.label, present or best_here(here), None if present else recommended)


def best_here(rows: Sequence[ModelRow]) -> ModelRow | None:
    """The largest that fits and is fast enough for a talk, else the fastest that fits at all."""
    usable = [row for row in rows if _is_usable(row)]
    pleasant = [row for row in usable if _is_pleasant(row)]
    if pleasant:
        return max(pleasant, key=lambda row: row.size_bytes or 0)
    return max(
        usable, key=lambda row: (row.verdict == Verdict.FITS, row.decode_tps or 0), default=None
    )


def _recommended(library: ModelLibrary, machine: Machine) -> ModelRow | None:
    return recommended_row(machine, library.sources.catalogue(), _DOWNLOAD_TASK)


def _is_usable(row: ModelRow) -> bool:
    is_ours = row.found is not None and row.source != "built in" and not row.problem
    runs = any(why_unavailable(engine) is None for engine in row.engines)
    return is_ours and runs and row.verdict in (Verdict.FITS, Verdict.TIGHT)


def _is_pleasant(row: ModelRow) -> bool:
    return row.verdict == Verdict.FITS and (row.decode_tps or _PLEASANT_TPS) >= _PLEASANT_TPS


def _figures(row: ModelRow) -> str:
    size = gb_text(row.size_bytes) if row.size_bytes else ""
    verdict = "" if row.verdict == Verdict.FITS else row.verdict
    terms = "" if row.is_here else row.license
    parts = (short_name(row.name, _NAME_WIDTH), size, tps_text(row), verdict, terms)
    return ", ".join(part for part in parts if part)
