"""How fast models are on this machine, from the figures of earlier turns.

    measurements = Measurements(store.path, store.writer)
    measurements.record(measurement)                        at once; the writer's thread saves it
    measurements.speed(load_request, context_tokens)        typical tok/s, None where not known
    measurements.load_s(load_request)
    measurements.answer_tokens(profile)

The newest turns weigh most, and those that were like the one asked about; medians keep a turn that
another program slowed down from counting.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conversation.errors import StoreError
from conversation.measurement import (
    Measurement,
    add_measurement,
    prune_measurements,
    read_measurements,
    this_machine,
)
from conversation.schema import migrate
from conversation.store_file import connect
from conversation.store_writer import StoreWriter
from engines.types import LoadRequest
from profiles.schema import Profile

if TYPE_CHECKING:
    from engines.speed import MeasuredSpeed

_HALF_WEIGHT_TURNS = 10
_PRUNE_EVERY = 100
_LEAST_PREFILLED_TOKENS = 8
_FULL_PREFILLED_TOKENS = 256
_LEAST_GENERATED_TOKENS = 16
_SCALE_TOKENS = 512
_ENOUGH_ANSWERS = 3

log = logging.getLogger(__name__)
Weighted = tuple[float, float]
"""A figure and its weight."""


class Measurements:
    """The measurements of a database, read once and kept in memory. Any thread may ask.

    Args:
        path: The database.
        writer: Saves new ones.
        machine: Names this machine.
    """

    def __init__(
        self, path: Path, writer: StoreWriter, machine: Callable[[], str] = this_machine
    ) -> None:
        self._path = path
        self._writer = writer
        self._find_machine = machine
        self._machine = ""
        self._known: list[Measurement] | None = None
        self._recorded = 0
        self._lock = threading.RLock()

    @property
    def machine(self) -> str:
        self._machine = self._machine or self._find_machine()
        return self._machine

    def record(self, measurement: Measurement) -> None:
        """Keep it; returns at once."""
        with self._lock:
            self._read_once().append(measurement)
            is_time_to_prune = self._recorded % _PRUNE_EVERY == 0
            self._recorded += 1
        self._writer.put(partial(add_measurement, measurement=measurement))
        if is_time_to_prune:
            self._writer.put(partial(prune_measurements, now=time.time()))

    def speed(
        self, request: LoadRequest, context_tokens: int, prompt_tokens: int | None = None
    ) -> MeasuredSpeed:
        """What `request` loads typically does at about this context length.

        Args:
            prompt_tokens: To be prefilled; the whole context where it is left out.
        """
        return typical_speed(
            [each for each in self._all() if each.is_of(request)], context_tokens, prompt_tokens
        )

    def load_s(self, request: LoadRequest) -> float | None:
        """Seconds that loading typically takes; None where it was never measured."""
        loads = [each for each in self._all() if each.is_of(request) and each.load_s is not None]
        ages = _ages(loads)
        return weighted_median(
            (each.load_s or 0.0, age) for each, age in zip(loads, ages, strict=True)
        )

    def answer_tokens(self, profile: Profile) -> int | None:
        """The median length of the profile's answers, else of its task's; None for too few."""
        everything = self._all()
        of_profile = [each for each in everything if each.profile == profile.name]
        of_task = [each for each in everything if each.task and each.task == profile.task]
        for answers in (of_profile, of_task):
            if len(answers) >= _ENOUGH_ANSWERS:
                lengths = [float(each.generated_tokens) for each in answers]
                typical = weighted_median(zip(lengths, _ages(answers), strict=True))
                return round(typical) if typical is not None else None
        return None

    def _all(self) -> list[Measurement]:
        with self._lock:
            return list(self._read_once())

    def _read_once(self) -> list[Measurement]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> list[Measurement]:
        """Nothing where they cannot be read: then there is nothing to predict from."""
        if not self._path.exists():
            return []
        try:
            with closing(connect(self._path)) as connection:
                return read_measurements(connection, self.machine)
        except sqlite3.Error as error:
            log.info("the measurements cannot be read: %s", error)
            return []


def typical_speed(
    measurements: Sequence[Measurement], context_tokens: int, prompt_tokens: int | None = None
) -> MeasuredSpeed:
    """Weighted medians over turns of one model, the oldest first.

    Short prompts and answers tell little of a speed and weigh little.
    """
    from engines.speed import MeasuredSpeed

    wanted_prefill = context_tokens if prompt_tokens is None else prompt_tokens
    ages = _ages(measurements)
    prefill = [
        (
            each.prefill_tps,
            age
            * min(1.0, each.prefilled_tokens / _FULL_PREFILLED_TOKENS)
            * _likeness(each.prefilled_tokens, wanted_prefill),
        )
        for each, age in zip(measurements, ages, strict=True)
        if each.prefill_tps and each.prefilled_tokens >= _LEAST_PREFILLED_TOKENS
    ]
    decode = [
        (each.decode_tps, age * _likeness(each.context_tokens, context_tokens))
        for each, age in zip(measurements, ages, strict=True)
        if each.decode_tps and each.generated_tokens >= _LEAST_GENERATED_TOKENS
    ]
    return MeasuredSpeed(weighted_median(decode), weighted_median(prefill))


def weighted_median(figures: Iterable[Weighted]) -> float | None:
    """The figure below which half of the weight lies; None for no figures."""
    ordered = sorted(figures)
    half = sum(weight for _, weight in ordered) / 2
    reached = 0.0
    for value, weight in ordered:
        reached += weight
        if reached >= half:
            return value
    return None


def writer_beside(path: Path) -> StoreWriter:
    """A writer to the database at `path`, for a program that does not open it otherwise.

    What cannot be written is lost, and nobody is told.
    """

    def prepare(connection: sqlite3.Connection) -> None:
        path.chmod(0o600)  # it may have been made just now
        try:
            migrate(connection)
        except StoreError as error:
            raise sqlite3.OperationalError(error.message) from error
        connection.execute("PRAGMA journal_mode = WAL")

    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    return StoreWriter(path, log.info, prepare)


def _ages(measurements: Sequence[Measurement]) -> list[float]:
    """A weight for each, by how many came after it."""
    newest = len(measurements) - 1
    return [0.5 ** ((newest - index) / _HALF_WEIGHT_TURNS) for index in range(len(measurements))]


def _likeness(tokens: int, wanted_tokens: int) -> float:
    """1 for the same length, a half for about twice or half of it."""
    doublings = math.log2((tokens + _SCALE_TOKENS) / (wanted_tokens + _SCALE_TOKENS))
    return 1 / (1 + doublings * doublings)
