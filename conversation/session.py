"""One conversation, the profile it is held with, and its turns.

    Session(store, pool, profile, conversation_id=None, *, tools=(),
            measurements=None, memory_bandwidth_bytes_per_s=None)

    send(text, attachments=()) -> Turn      at once; the turn waits for the model and for others
    edit(message_id, text) -> Turn          asks anew from an earlier message, on its own branch
    regenerate() -> Turn                    another answer to the last message, beside the first
    stop()                                  stops the running turn
    select(message_id)                      shows another branch
    rename(title)
    use_profile(profile)                    loads at once; for the next turn
    pin_engine(engine)                      from the next turn on, whatever the profile says
    close()                                 ends its turns

    transcript, title, conversation_id, profile, turns, is_busy
    engine_state, model_info, load_progress, load_failure, drain_load_events()

The methods are for one thread, the user interface's. They never wait for an engine to work.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Sequence

from conversation.chat_turns import attached_texts, chat_turns
from conversation.engine_choice import EngineRouter
from conversation.errors import MessageNotFound
from conversation.loading import LoadEvent, ProfileEngine
from conversation.measurement import measurement_of
from conversation.measurements import Measurements
from conversation.message import (
    AttachmentPart,
    Message,
    MessageStatus,
    Part,
    TextPart,
    new_message,
    title_of,
)
from conversation.prompt import TokenIds, TraceKey
from conversation.store import Store
from conversation.transcript import Transcript
from conversation.turn import Turn, TurnState
from conversation.turn_run import TurnContext, TurnRun
from engines.events import EngineFailed, LoadProgress, TextKind
from engines.pool import EnginePool
from engines.thread import EngineState
from engines.types import ModelInfo, Role, ToolSpec
from profiles.schema import Profile


class Session:
    """A conversation with one profile at a time.

    Args:
        store: Where it is kept; a new conversation appears there with its first message.
        conversation_id: The conversation to go on with; None begins a new one.
        tools: Tools to offer to the model.
        measurements: Where each turn's figures are kept; None keeps them in `store`.
        memory_bandwidth_bytes_per_s: Of this machine, for the bandwidth ceiling; None while it is
            unknown. May be set later, for the turns after that.

    Raises:
        ConversationNotFound: there is no conversation of that id.
    """

    def __init__(
        self,
        store: Store,
        pool: EnginePool,
        profile: Profile,
        conversation_id: str | None = None,
        *,
        tools: Sequence[ToolSpec] = (),
        measurements: Measurements | None = None,
        memory_bandwidth_bytes_per_s: float | None = None,
    ) -> None:
        self.conversation_id = conversation_id or uuid.uuid4().hex
        self.title = ""
        self.transcript = Transcript()
        self.profile = profile
        self._store = store
        self._pool = pool
        self._tools = tuple(tools)
        self.memory_bandwidth_bytes_per_s = memory_bandwidth_bytes_per_s
        self._traces: dict[TraceKey, TokenIds] = {}
        self._waiting: deque[TurnRun] = deque()
        self._running: TurnRun | None = None
        self._lock = threading.Lock()
        if conversation_id is not None:
            stored = store.load(conversation_id)
            self.title, self.transcript = stored.title, stored.transcript
            self._traces.update(stored.traces)
        self._measurements = measurements or Measurements(store.path, store.writer)
        self._router = EngineRouter(pool, self._measurements)
        self._engine = self.open_engine(profile)

    @property
    def engine_state(self) -> EngineState:
        return self._engine.state

    @property
    def model_info(self) -> ModelInfo | None:
        """The profile's model; None until it is loaded."""
        return self._engine.info

    @property
    def load_progress(self) -> LoadProgress | None:
        """None unless the profile's model is loading."""
        return self._engine.progress

    @property
    def load_failure(self) -> EngineFailed | None:
        return self._engine.failure

    def drain_load_events(self) -> list[LoadEvent]:
        """What the profile's engine reported since the last call, oldest first."""
        engine = self._engine
        events = engine.drain()
        has_failed = any(isinstance(event, EngineFailed) for event in events)
        other = self._other_engine(None, engine) if has_failed else None
        return events if other is None else other.drain()

    @property
    def turns(self) -> list[Turn]:
        """The turns that are not over: the running one, then those that wait."""
        with self._lock:
            runs = ([self._running] if self._running else []) + list(self._waiting)
        return [run.turn for run in runs]

    @property
    def is_busy(self) -> bool:
        return bool(self.turns)

    def use_profile(self, profile: Profile) -> None:
        """Load the profile's model now and use it from the next turn on."""
        self.profile = profile
        self._engine = self.open_engine(profile)

    def open_engine(self, profile: Profile) -> ProfileEngine:
        """Load the model that `use_profile` will use, and leave the profile as it is."""
        return self._router.open(profile, self.transcript.path())

    @property
    def pinned_engine(self) -> str:
        """The engine that `pin_engine` asked for; empty for none."""
        return self._router.pinned

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that the profile has a model for and that work here."""
        return self._router.engines(self.profile)

    def pin_engine(self, engine: str) -> None:
        """Answer with `engine` from the next turn on; with "" as the profile says."""
        self._router.pinned = engine
        self._engine = self.open_engine(self.profile)

    def send(self, text: str, attachments: Sequence[AttachmentPart] = ()) -> Turn:
        """Ask; the answer is a turn that may have to wait for the model and for earlier turns."""
        return self._ask(self.transcript.leaf_id, (*attachments, TextPart(text)))

    def edit(self, message_id: str, text: str) -> Turn:
        """Ask anew from where a message of the user's stands; its attachments come along.

        Raises:
            MessageNotFound: the message is not one of the user's in this conversation.
        """
        message = self.transcript.get(message_id)
        if message.role is not Role.USER:
            raise MessageNotFound(
                "Only a message of your own can be edited.", "Choose one of your messages."
            )
        return self._ask(message.parent_id, (*message.attachments, TextPart(text)))

    def regenerate(self) -> Turn:
        """Answer the last message of the user's once more.

        Raises:
            MessageNotFound: nothing has been asked yet.
        """
        asked = [message for message in self.transcript.path() if message.role is Role.USER]
        if not asked:
            raise MessageNotFound("There is nothing to answer yet.", "Write a message first.")
        return self._answer(asked[-1], ())

    def stop(self) -> None:
        """Stop the running turn; those that wait go on."""
        if turns := self.turns:
            turns[0].stop()

    def select(self, message_id: str) -> None:
        """Show the branch through `message_id`."""
        self.transcript.select(message_id)
        if self.transcript.leaf_id is not None:
            self._store.writer.select_branch(self.conversation_id, self.transcript.leaf_id)

    def rename(self, title: str) -> None:
        """Give the conversation another title; an empty one changes nothing."""
        self.title = title.strip() or self.title
        self._store.rename(self.conversation_id, self.title)

    def close(self) -> None:
        """Stop every turn; what has come of the answers is kept."""
        for turn in reversed(self.turns):
            turn.stop()

    def _ask(self, parent_id: str | None, parts: tuple[Part, ...]) -> Turn:
        question = new_message(Role.USER, parts, parent_id)
        self.title = self.title or title_of(question.text)
        self.transcript.append(question)
        return self._answer(question, (question,))

    def _answer(self, question: Message, unsaved: tuple[Message, ...]) -> Turn:
        answer = new_message(
            Role.ASSISTANT,
            parent_id=question.id,
            status=MessageStatus.RUNNING,
            profile=self.profile.name,
        )
        self.transcript.append(answer)
        self._store.writer.save_messages(self.conversation_id, self.title, (*unsaved, answer))
        turn = Turn(question, answer, self.profile, self._stop_turn)
        self._choose_engine(turn)
        with self._lock:
            self._waiting.append(TurnRun(turn, self._engine, self._context(turn)))
        self._start_next()
        return turn

    def _choose_engine(self, turn: Turn) -> None:
        """A turn that waits for others takes their engine."""
        if self.is_busy:
            return
        path = self.transcript.path_to(turn.question.id)
        self._engine, choice = self._router.choose(self._engine, self.profile, path)
        if choice is not None:
            turn.note_choice(choice)

    def _other_engine(self, turn: Turn | None, failed: ProfileEngine) -> ProfileEngine | None:
        """In place of one that cannot load its model; two threads may hear of that."""
        with self._lock:
            if self._engine is failed:
                path = self.transcript.path_to(turn.question.id) if turn else ()
                if (found := self._router.other_than(failed, path)) is None:
                    return None
                self._engine, choice = found
                if turn is not None:
                    turn.note_choice(choice)
            is_same_profile = self._engine.profile is failed.profile
            return self._engine if is_same_profile and self._engine.failure is None else None

    def _context(self, turn: Turn) -> TurnContext:
        return TurnContext(
            cache_key=f"{self.conversation_id}/{turn.profile.name}",
            history=lambda: chat_turns(self.transcript.path_to(turn.message_id)),
            traces=self._traces,
            on_text=self._save_text,
            on_end=self._turn_ended,
            other_engine=self._other_engine,
            references=lambda: attached_texts(self.transcript.path_to(turn.message_id)),
            tools=self._tools,
            memory_bandwidth_bytes_per_s=self.memory_bandwidth_bytes_per_s,
        )

    def _start_next(self) -> None:
        with self._lock:
            if self._running is not None or not self._waiting:
                return
            run = self._running = self._waiting.popleft()
        run.start()

    def _stop_turn(self, turn: Turn) -> None:
        with self._lock:
            runs = [*self._waiting, *([self._running] if self._running else [])]
        for run in runs:
            if run.turn is turn:
                run.cancel()

    def _save_text(self, turn: Turn, kind: TextKind, text: str) -> None:
        self._store.writer.append_text(turn.message_id, kind, text)

    def _turn_ended(self, run: TurnRun, traces: dict[TraceKey, TokenIds]) -> None:
        answer = run.turn.answer()
        self.transcript.replace(answer)
        self._traces.update(traces)
        self._store.writer.finish_answer(answer, traces)
        self._record(run)
        with self._lock:
            if self._running is run:
                self._running = None
            elif run in self._waiting:
                self._waiting.remove(run)
        run.turn.announce_end()
        self._start_next()

    def _record(self, run: TurnRun) -> None:
        stats, request = run.turn.stats, run.engine.request
        if run.turn.state is not TurnState.FINISHED or stats is None or request is None:
            return
        machine, load_s = self._measurements.machine, run.engine.take_load_s()
        self._measurements.record(measurement_of(stats, request, run.turn.profile, machine, load_s))
