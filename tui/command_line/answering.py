"""Runs one turn without a screen and writes its events as they come."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from conversation.measurements import Measurements, writer_beside
from conversation.session import Session
from conversation.turn import Turn, TurnState
from documents.reading import read_attachment
from engines.events import LoadProgress, ModelLoaded
from engines.hardware import read_machine
from engines.types import Constraint
from profiles.schema import Profile
from tui.command_line.answer_writer import (
    AnswerWriter,
    Ending,
    JsonWriter,
    PlainWriter,
    ShownEvent,
)
from tui.command_line.conversations import conversation_to_continue
from tui.command_line.failure import INTERRUPTED, Failure
from tui.command_line.streams import own_streams
from tui.options import AppOptions
from tui.paths import AppPaths, app_paths
from tui.profile_folders import ignored_text
from tui.services import Services, open_services
from tui.terminal import log_to_file

DEFAULT_MAX_TOKENS = 1024
SAMPLING_OPTIONS = ("temperature", "top_k", "top_p", "min_p", "seed")
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and how to answer it; None leaves a setting to the profile."""

    text: str
    options: AppOptions
    as_json: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    seed: int | None = None
    constraint: Constraint | None = None


def answer(question: Question) -> int:
    """Answer on standard output.

    Returns:
        The exit code: 0, or 130 where Ctrl+C cut the answer short.

    Raises:
        Failure: the turn failed, in words for the user.
        ProfileError, DocumentError, ConversationError: as they say.
    """
    options, paths = question.options, app_paths()
    attachments = [read_attachment(file) for file in options.files]
    start_log(paths.log, options.debug)
    with (
        own_streams(paths.log, keep_stderr=options.debug) as streams,
        _services(options, paths) as services,
    ):
        if ignored := services.profile.ignored:
            streams.err.write(f"llm-tui: {ignored_text(ignored)}\n")
        writer = JsonWriter(streams) if question.as_json else PlainWriter(streams)
        session = open_session(services, options, _adjusted(services.profile, question))
        return follow(session, session.send(question.text, attachments), writer)


def open_session(
    services: Services, options: AppOptions, profile: Profile | None = None
) -> Session:
    """The session that `options` mean, on `profile` or the one that `services` start with."""
    return Session(
        services.store,
        services.pool,
        profile or services.profile,
        conversation_to_continue(services.store, options),
        measurements=services.measurements,
        memory_bandwidth_bytes_per_s=read_machine(services.cache).memory_bandwidth_bytes_per_s,
    )


def _adjusted(profile: Profile, question: Question) -> Profile:
    settings = {name: getattr(question, name) for name in SAMPLING_OPTIONS}
    given = {name: value for name, value in settings.items() if value is not None}
    return replace(
        profile,
        sampling=replace(profile.sampling, **given),
        constraint=question.constraint or profile.constraint,
        max_tokens=question.max_tokens or profile.max_tokens or DEFAULT_MAX_TOKENS,
    )


@contextmanager
def _services(options: AppOptions, paths: AppPaths) -> Iterator[Services]:
    """The app's services; a question outside of any session leaves its figures in the user's
    store, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="llm-tui-") as scratch, ExitStack() as leaving:
        is_kept = bool(options.continue_last or options.session_id)
        user_database = paths.database
        if not is_kept:
            paths = replace(paths, data=Path(scratch))
        services = open_services(options, paths, keeps_caches=is_kept)
        leaving.callback(services.close)
        if not is_kept:
            writer = writer_beside(user_database)
            leaving.callback(writer.close)
            services.measurements = Measurements(user_database, writer)
        yield services


def follow(session: Session, turn: Turn, writer: AnswerWriter) -> int:
    """Write what happens until the turn is over."""
    with _stopped_by_interrupt(turn):
        is_over = False
        while not is_over:
            is_over = turn.wait(_POLL_S)
            for load_event in session.drain_load_events():
                if isinstance(load_event, LoadProgress | ModelLoaded):
                    writer.loading(load_event)
            for event in turn.drain():
                if isinstance(event, ShownEvent):
                    writer.show(event)
    writer.finish(_ending(turn))
    if turn.state is TurnState.FAILED:
        error = turn.error
        raise Failure(error.message, error.hint) if error else Failure("The answer failed.")
    return INTERRUPTED if turn.state is TurnState.CANCELLED else 0


def _ending(turn: Turn) -> Ending:
    if turn.finish_reason is not None:
        reason = turn.finish_reason.value
    else:
        reason = "cancelled" if turn.state is TurnState.CANCELLED else "error"
    return Ending(reason, turn.stats, turn.error)


@contextmanager
def _stopped_by_interrupt(turn: Turn) -> Iterator[None]:
    """Ctrl+C stops the turn, which keeps what has come; a second one leaves at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if turn.is_stopping:
            raise KeyboardInterrupt
        turn.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if not turn.is_over:
            turn.stop()
        signal.signal(signal.SIGINT, before)


def start_log(log_file: Path, debug: bool) -> None:
    """Log to the file, or with `debug` to standard error."""
    if debug:
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
        return
    try:
        log_to_file(log_file)
    except OSError:
        logging.getLogger().addHandler(logging.NullHandler())
