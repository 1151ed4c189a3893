"""Shows what a session's turns and models do: transcript, stats bar, activity line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual.widgets import Static

from conversation.message import MessageError
from conversation.turn import Turn, TurnState
from engines.events import EngineFailed, LoadProgress, ModelLoaded, TextKind
from engines.thread import EngineState
from engines.types import ModelInfo
from profiles.routing import EngineChoice
from profiles.schema import Profile
from tui.answer_footer import answer_footer
from tui.live_figures import TurnMeter, with_model
from tui.sanitize import one_line
from tui.services import Services
from tui.stats_line import Figures, Phase
from tui.widgets.activity_line import ActivityLine
from tui.widgets.stats_bar import StatsBar
from tui.widgets.transcript_view import TranscriptView

if TYPE_CHECKING:
    from conversation.context_window import HistoryDropped
    from conversation.loading import LoadEvent, ProfileEngine
    from conversation.session import Session
    from tui.widgets.assistant_message import AssistantMessage

FIGURES_S = 0.25
"""Numbers that change faster than this cannot be read."""

MEMORY_S = 2.0


@dataclass(frozen=True, slots=True)
class PaneWidgets:
    transcript: TranscriptView
    stats_bar: StatsBar
    activity: ActivityLine


class SessionPresenter:
    """The session's side of a pane: everything it shows. Implements `tui.bridge.TurnView`.

    Args:
        changed: Called when the model or the running turn became another.
        failed: Called with a turn that ended in an error.
        failed_to_load: Called with the reason why the session's model is not there.
        prepared: Called with the engine of a profile to switch to, ready or failed.
    """

    def __init__(
        self,
        widgets: PaneWidgets,
        services: Services,
        session: Session,
        changed: Callable[[], None],
        failed: Callable[[Turn], None],
        failed_to_load: Callable[[EngineFailed], None],
        prepared: Callable[[ProfileEngine], None],
    ) -> None:
        self.session = session
        self.figures = Figures(profile=one_line(session.profile.title))
        self._widgets = widgets
        self._services = services
        self._changed = changed
        self._failed = failed
        self._failed_to_load = failed_to_load
        self.show_prepared = prepared
        self._turns: list[Turn] = []
        self._answers: dict[str, AssistantMessage] = {}
        self._queue_marks: dict[str, Static] = {}
        self._models: dict[str, ModelInfo] = {}
        self._meter: TurnMeter | None = None
        self._shown_state: TurnState | None = None
        self._next_figures_s = 0.0
        self._next_memory_s = 0.0
        self.show_model()

    @property
    def model_label(self) -> str:
        """What runs, in a few words; empty until it is known."""
        info = self.session.model_info
        return " · ".join((one_line(info.name), info.engine, info.quantization)) if info else ""

    def show_turn(self, turn: Turn, with_question: bool = True) -> None:
        """A turn was asked for: its question, and the place of its answer."""
        transcript = self._widgets.transcript
        if with_question:
            question = turn.question
            names = [attachment.name for attachment in question.attachments]
            transcript.add_user(question.id, question.text, names)
        answer = self._answers[turn.message_id] = transcript.add_assistant(turn.message_id)
        self._turns.append(turn)
        if turn is not self._turns[0] or turn.state is TurnState.LOADING:
            mark = self._queue_marks[turn.message_id] = Static("queued", classes="queued")
            answer.mount(mark)
        self._next_figures_s = 0.0
        self.show_figures()
        self._changed()

    def show_text(self, turn: Turn, kind: TextKind, text: str) -> None:
        self._answers[turn.message_id].append(text, kind)

    def show_dropped(self, turn: Turn, dropped: HistoryDropped) -> None:
        about = "about " if dropped.is_estimate else ""
        self._widgets.transcript.add_notice(
            f"The context window is full: the oldest {dropped.turns} turns ({about}"
            f"{dropped.tokens:,} tokens) are no longer part of the prompt."
        )

    def show_choice(self, turn: Turn, choice: EngineChoice) -> None:
        if choice.is_change:  # the line under the answer says it as well, and stays
            self._widgets.activity.show_notice(one_line(choice.reason))

    def show_end(self, turn: Turn) -> None:
        message = turn.answer()
        answer = self._answers.pop(turn.message_id)
        self._remove_queue_mark(turn)
        title = self._services.profile_title(message.profile)
        error = turn.error or MessageError("")
        answer.finish(message.status, answer_footer(message, title), error.message, error.hint)
        if turn.error is not None:
            self._failed(turn)
        self._turns.remove(turn)
        self._note_plain_speed(turn)
        self._next_figures_s = self._next_memory_s = 0.0
        if self._meter is not None and self._meter.turn is turn:
            self.figures = replace(self._meter.over(self.figures), phase=self._load_phase())
            self._meter = None
            if turn.profile.name != self.session.profile.name:
                self.show_model()
        self._changed()

    def show_load(self, event: LoadEvent) -> None:
        if isinstance(event, LoadProgress):
            self.figures = replace(
                self.figures,
                phase=Phase.LOADING,
                load_stage=event.stage,
                load_fraction=event.fraction,
            )
        elif isinstance(event, EngineFailed):
            self.figures = replace(self.figures, phase=Phase.FAILED)
            if not self._turns:  # else the turn that waited for it says so
                self._failed_to_load(event)
        elif isinstance(event, ModelLoaded):
            self.show_model()
            for note in event.info.notes:
                self._widgets.transcript.add_notice(one_line(note), "warning")
        self._next_figures_s = 0.0

    def show_model(self) -> None:
        """The session's profile and model, with the turn's figures unknown again."""
        session, info = self.session, self.session.model_info
        if info is not None:
            self._models[session.profile.name] = info
        self.figures = replace(self._model_figures(session.profile), phase=self._load_phase())
        self._next_figures_s = self._next_memory_s = 0.0
        self.show_figures()
        self._changed()

    def _load_phase(self) -> Phase:
        states = {EngineState.LOADING: Phase.LOADING, EngineState.FAILED: Phase.FAILED}
        return states.get(self.session.engine_state, Phase.IDLE)

    def _model_figures(self, profile: Profile) -> Figures:
        """Figures of `profile` and its model, and of memory; nothing of a turn."""
        figures = Figures(
            profile=one_line(profile.title),
            process_bytes=self.figures.process_bytes,
            model_bytes=self.figures.model_bytes,
        )
        info = self._models.get(profile.name)
        return with_model(figures, info) if info else figures

    def show_next_profile(self, title: str) -> None:
        """A profile is chosen and its model not ready; an empty title ends that."""
        self.figures = replace(self.figures, next_profile=one_line(title))
        self._next_figures_s = 0.0
        self.show_figures()

    def show_figures(self) -> None:
        self._widgets.activity.activity = self._activity()
        now_s = time.monotonic()
        state = self._turns[0].state if self._turns else None
        if now_s < self._next_figures_s and state is self._shown_state:
            return
        self._shown_state = state
        self._next_figures_s = now_s + FIGURES_S
        if now_s >= self._next_memory_s:
            self._next_memory_s = now_s + MEMORY_S
            self._measure_memory()
        if self._turns:
            self._show_running(self._turns[0])
        self._widgets.stats_bar.figures = self.figures

    def _show_running(self, turn: Turn) -> None:
        """The figures of the running turn, with the profile it was asked with."""
        if turn.state not in (TurnState.QUEUED, TurnState.LOADING):
            self._remove_queue_mark(turn)
        profile = self.session.profile
        if turn.profile.name != profile.name:
            self.figures = replace(
                self._model_figures(turn.profile), next_profile=one_line(profile.title)
            )
        self.figures = self._running_meter(turn).over(self.figures)

    def _remove_queue_mark(self, turn: Turn) -> None:
        if mark := self._queue_marks.pop(turn.message_id, None):
            mark.remove()

    def _running_meter(self, turn: Turn) -> TurnMeter:
        info = self._models.get(turn.profile.name)
        if self._meter is None or self._meter.turn is not turn:
            self._meter = TurnMeter(turn, info)
        meter, services = self._meter, self._services
        meter.info = meter.info or info
        meter.memory_bandwidth_bytes_per_s = services.memory_bandwidth_bytes_per_s
        if meter.info is not None:
            meter.plain_decode_tps = services.plain_decode_tps.get(_model_key(meter.info))
        return meter

    def _note_plain_speed(self, turn: Turn) -> None:
        stats, info = turn.stats, self._meter.info if self._meter else None
        if stats is None or info is None or stats.drafted_tokens or not stats.decode_tps:
            return
        self._services.plain_decode_tps[_model_key(info)] = stats.decode_tps

    def _activity(self) -> str:
        if not self._turns:
            return ""
        running, waiting = self._turns[0], len(self._turns) - 1
        text = "stopping" if running.is_stopping else _ACTIVITIES.get(running.state, "")
        messages = "message" if waiting == 1 else "messages"
        queued = f"{waiting} more {messages} queued" if waiting else ""
        return " · ".join(part for part in (text, queued, "Esc stops") if part)

    def _measure_memory(self) -> None:
        import psutil

        process_bytes = psutil.Process().memory_info().rss
        model_bytes = self._services.pool.memory_bytes or None
        self.figures = replace(self.figures, process_bytes=process_bytes, model_bytes=model_bytes)


def _model_key(info: ModelInfo) -> str:
    return f"{info.engine}/{info.name}/{info.quantization}"


_ACTIVITIES = {
    TurnState.QUEUED: "queued: it is answered next",
    TurnState.LOADING: "queued: it is answered as soon as the model is ready",
    TurnState.PREFILL: "reading the prompt",
    TurnState.DECODE: "answering",
}
