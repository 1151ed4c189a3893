"""The models of this machine and its downloads, for as long as the app runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial

from engines.errors import ExplainedError, ModelLoadError
from engines.hardware import Machine
from engines.model_files.finding.found_model import FoundModel
from engines.model_files.removal import Removal, plan_removal, remove_model
from tui.daemon_thread import on_daemon_thread
from tui.models.downloads import Downloads
from tui.models.listing import found_rows, judge, ordered, recommended_rows
from tui.models.row import ModelRow
from tui.models.sources import ModelSources
from tui.sanitize import one_line

_ROWS_AT_ONCE = 12


class ModelLibrary:
    """Keeps what the last look found, so that the picker has something to show at once.

    Attributes:
        rows: What is here, then what is worth downloading.
        problem: What keeps a part of it from being known, in a sentence; may be empty.
        is_searched: Whether the folders have been searched once.
    """

    def __init__(self, sources: ModelSources) -> None:
        self.sources = sources
        self.downloads = Downloads(sources.fetch)
        self.rows: tuple[ModelRow, ...] = ()
        self.problem = ""
        self.is_searched = False

    async def look(self) -> AsyncIterator[None]:
        """Search, then judge; yields whenever there is more to show."""
        models = await self._find()
        here = found_rows(models)
        elsewhere = [row for row in self.rows if not row.is_here]
        self._show(_as_known(here, self.rows), elsewhere)
        yield
        machine = await on_daemon_thread(self.sources.machine)
        for start in range(0, len(here), _ROWS_AT_ONCE):
            batch = here[start : start + _ROWS_AT_ONCE]
            work = partial(_judge_all, batch, machine, self.sources)
            here[start : start + _ROWS_AT_ONCE] = await on_daemon_thread(work)
            self._show(_as_known(here, self.rows), elsewhere)
            yield
        elsewhere = await on_daemon_thread(partial(self._recommend, machine, here))
        self._show(ordered(here), elsewhere)
        yield

    def removal_of(self, row: ModelRow) -> Removal:
        """What goes away with the row's model.

        Raises:
            ModelNotFound: it is not here.
            ModelLoadError: it is not this program's to remove; the hint says whose.
        """
        if row.found is None:
            raise ModelLoadError(f"{row.name} is not on this machine.", "There is nothing to move.")
        models = [each.found for each in self.rows if each.found is not None]
        return plan_removal(row.found, models)

    async def remove(self, removal: Removal) -> None:
        """Move it to the trash.

        Raises:
            ModelLoadError: the trash does not take it.
        """
        try:
            await on_daemon_thread(partial(remove_model, removal, self.sources.discard))
        except OSError as error:
            raise ModelLoadError(
                f"{removal.model.name} cannot be moved to the trash: {error}.",
                f"Delete it for good: llm-tui models remove --permanent {removal.model.reference}",
            ) from error

    def _show(self, here: Sequence[ModelRow], elsewhere: Sequence[ModelRow]) -> None:
        self.rows = (*here, *elsewhere)

    async def _find(self) -> list[FoundModel]:
        """What is here; the last look's where the user's settings are broken."""
        self.problem = ""
        try:
            return await on_daemon_thread(self.sources.find)
        except (ExplainedError, OSError) as error:
            self.problem = _sentence(error)
            return [row.found for row in self.rows if row.found is not None]
        finally:
            self.is_searched = True

    def _recommend(self, machine: Machine, here: Sequence[ModelRow]) -> list[ModelRow]:
        catalogue = self.sources.catalogue()
        if catalogue.error is not None:
            self.problem = _sentence(catalogue.error)
        return recommended_rows(machine, catalogue, here)


def _judge_all(rows: Sequence[ModelRow], machine: Machine, sources: ModelSources) -> list[ModelRow]:
    return [judge(row, machine, sources.speed) for row in rows]


def _as_known(rows: Sequence[ModelRow], before: Sequence[ModelRow]) -> list[ModelRow]:
    """The rows with the verdicts of an earlier look, in its order, until there are new ones."""
    known = {row.key: row for row in before if row.is_judged and row.is_here}
    judged = [row if row.is_judged else _with_verdict(row, known.get(row.key)) for row in rows]
    return ordered(judged)


def _with_verdict(row: ModelRow, known: ModelRow | None) -> ModelRow:
    if known is None or known.size_bytes != row.size_bytes:
        return row
    return replace(row, fit=known.fit, is_judged=True, license=known.license)


def _sentence(error: Exception) -> str:
    if isinstance(error, ExplainedError):
        return one_line(f"{error.message} {error.hint}")
    return one_line(f"The models cannot be listed: {error}.")
