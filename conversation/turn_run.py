"""Takes one turn through its engine: wait for the model, count, generate, retry once if too long.

Everything after `start` happens in sinks on the engine's thread, one step in each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from conversation.cache_note import cache_note
from conversation.context_window import (
    HistoryDropped,
    answer_reserve_tokens,
    first_kept_turn,
    turn_to_retry_from,
)
from conversation.loading import ProfileEngine
from conversation.message import MessageError
from conversation.prompt import Prompt, PromptBuilder, PromptTurn, TokenIds, TraceKey, Traces
from conversation.turn import Turn, TurnState
from engines.errors import EngineError
from engines.events import (
    EngineEvent,
    EngineFailed,
    FinishReason,
    GenerationFinished,
    PrefillProgress,
    TextChunk,
    TextKind,
    TokensCounted,
)
from engines.roofline import decode_ceiling_tps
from engines.thread import EngineState, EngineThread, EventSink, Job
from engines.types import CountTokensRequest, EngineRequest, GenerationRequest, ModelInfo, ToolSpec


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What a turn takes from its session, and where its results go.

    Args:
        history: The turns of the branch up to this one; asked for when the prompt is built.
        traces: Token ids of earlier turns.
        on_text: Takes each chunk, for the store.
        on_end: Called once, when the turn is over, with the traces to keep.
        other_engine: Asked for another engine when the model fails to load; None for none.
        references: Texts of the files that the answer may repeat, the newest last.
        memory_bandwidth_bytes_per_s: Of this machine, for the bandwidth ceiling; None if unknown.
    """

    cache_key: str
    history: Callable[[], list[PromptTurn]]
    traces: Traces
    on_text: Callable[[Turn, TextKind, str], None]
    on_end: Callable[[TurnRun, dict[TraceKey, TokenIds]], None]
    other_engine: Callable[[Turn, ProfileEngine], ProfileEngine | None] = lambda turn, failed: None
    references: Callable[[], tuple[str, ...]] = tuple
    tools: Sequence[ToolSpec] = ()
    memory_bandwidth_bytes_per_s: float | None = None


class TurnRun:
    """One turn on its way. `start` once, `cancel` at any time."""

    def __init__(self, turn: Turn, engine: ProfileEngine, context: TurnContext) -> None:
        self.turn = turn
        self._engine = engine
        self._context = context
        self._thread: EngineThread | None = None
        self._info: ModelInfo | None = None
        self._job: Job | None = None
        self._turns: list[PromptTurn] = []
        self._turn_tokens: list[int] = []
        self._prompt: Prompt | None = None
        self._builder: PromptBuilder | None = None
        self._has_retried = False

    def start(self) -> None:
        self._thread = self._engine.thread()
        if self._thread is None:
            self._fail_to_load(self._engine.failure)
            return
        if self._thread.state is EngineState.LOADING:
            self.turn.enter(TurnState.LOADING)
        self._submit(CountTokensRequest(()), self._on_ready)

    @property
    def engine(self) -> ProfileEngine:
        """What answers, or answered."""
        return self._engine

    def cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
        if self.turn.state in (TurnState.QUEUED, TurnState.LOADING):
            self._end(TurnState.CANCELLED)

    def _submit(self, request: EngineRequest, sink: EventSink) -> None:
        if self.turn.is_over or self._thread is None:
            return
        self._job = self._thread.submit(request, sink)
        if self.turn.is_stopping:
            self._job.cancel()

    def _on_ready(self, event: EngineEvent) -> None:
        """The model is there: count the turns that have no token ids yet."""
        if isinstance(event, EngineFailed):
            self._fail_to_load(event)
            return
        if self.turn.is_over or self._thread is None or self._thread.info is None:
            return
        self._info = self._thread.info
        profile = self.turn.profile
        try:
            self._builder = PromptBuilder(
                self._info,
                profile.system_prompt,
                self._context.tools,
                profile.reasoning,
                profile.reasoning_effort,
            )
            self._turns = self._context.history()
            self._prompt = self._builder.build(self._turns, self._context.traces)
        except EngineError as error:
            self._fail(EngineFailed.from_error(error))
            return
        texts = [text for text in self._countable(self._prompt) if isinstance(text, str)]
        self._submit(CountTokensRequest((profile.system_prompt, *texts)), self._on_counted)

    def _on_counted(self, event: EngineEvent) -> None:
        if isinstance(event, EngineFailed):
            self._fail(event)
        elif isinstance(event, TokensCounted) and self._prompt and self._info and self._builder:
            opening_tokens, *counted = event.counts
            counts = iter(counted)
            self._turn_tokens = [
                next(counts) if isinstance(segment, str) else len(segment)
                for segment in self._countable(self._prompt)
            ]
            window = self._info.context_window_tokens
            first_turn = first_kept_turn(
                self._turn_tokens,
                window,
                answer_reserve_tokens(window, self.turn.profile.max_tokens),
                opening_tokens,
            )
            self._generate_from(first_turn)

    def _countable(self, prompt: Prompt) -> Sequence[str | TokenIds]:
        """What to count each turn by: its segment, or its bare text where there is only a whole."""
        if prompt.keys:
            return prompt.segments
        return [
            "\n".join((*(message.content for message in turn.chat.inputs), turn.chat.answer))
            for turn in self._turns
        ]

    def _generate_from(self, first_turn: int) -> None:
        if self._builder is None or self._info is None or self._prompt is None:
            return
        if first_turn:
            try:
                traces = self._context.traces
                self._prompt = self._builder.build(self._turns, traces, first_turn)
            except EngineError as error:
                self._fail(EngineFailed.from_error(error))
                return
            self.turn.note_dropped(
                HistoryDropped(
                    turns=first_turn,
                    tokens=sum(self._turn_tokens[:first_turn]),
                    context_window_tokens=self._info.context_window_tokens,
                    is_estimate=not self._prompt.keys,
                )
            )
        self._submit(self._request(self._prompt, self._builder), self._on_generation)

    def _request(self, prompt: Prompt, builder: PromptBuilder) -> GenerationRequest:
        profile = self.turn.profile
        return GenerationRequest(
            prompt=prompt.segments,
            cache_key=self._context.cache_key,
            sampling=profile.sampling,
            max_tokens=profile.max_tokens,
            stop=profile.stop,
            reasoning_tags=builder.template.reasoning_tags,
            tool_call_tags=builder.template.tool_call_tags,
            constraint=profile.constraint,
            use_draft=profile.use_draft,
            references=self._context.references(),
        )

    def _on_generation(self, event: EngineEvent) -> None:
        if self.turn.is_over:
            return
        match event:
            case PrefillProgress():
                self.turn.enter(TurnState.PREFILL)
                self.turn.take(event)
            case TextChunk():
                self.turn.enter(TurnState.DECODE)
                self.turn.take(event)
                self._context.on_text(self.turn, event.kind, event.text)
            case GenerationFinished():
                self._finish(event)
            case EngineFailed(kind="ContextWindowExceeded") if self._retry():
                pass
            case EngineFailed():
                self._fail(event)

    def _retry(self) -> bool:
        """Leave out more history, once; False when that has been tried or there is none left."""
        if self._has_retried or self._prompt is None:
            return False
        first_turn = turn_to_retry_from(self._turn_tokens, self._prompt.first_turn)
        if first_turn is None:
            return False
        self._has_retried = True
        self._generate_from(first_turn)
        return True

    def _finish(self, finished: GenerationFinished) -> None:
        traces = self._prompt.traces(finished) if self._prompt else {}
        states = {
            FinishReason.CANCELLED: TurnState.CANCELLED,
            FinishReason.ERROR: TurnState.FAILED,
        }
        state = states.get(finished.reason, TurnState.FINISHED)
        stats = replace(
            finished.stats,
            bandwidth_ceiling_tps=self._ceiling_tps(finished),
            cache_note=self._cache_note(finished),
            engine_choice=self._choice_note(),
        )
        self._end(state, replace(finished, stats=stats), traces=traces)

    def _cache_note(self, finished: GenerationFinished) -> str:
        if self._prompt is None:
            return ""
        return cache_note(finished, self._prompt, self._turns, self.turn.profile.name)

    def _choice_note(self) -> str:
        choice = self.turn.engine_choice
        return choice.reason if choice is not None and choice.is_change else ""

    def _ceiling_tps(self, finished: GenerationFinished) -> float | None:
        bandwidth = self._context.memory_bandwidth_bytes_per_s
        if bandwidth is None or self._info is None:
            return finished.stats.bandwidth_ceiling_tps
        return decode_ceiling_tps(bandwidth, self._info, len(finished.token_ids))

    def _fail_to_load(self, failure: EngineFailed | None) -> None:
        other = None if self.turn.is_over else self._context.other_engine(self.turn, self._engine)
        if other is None:
            self._fail(failure)
        else:
            self._engine = other
            self.start()

    def _fail(self, failure: EngineFailed | None) -> None:
        message = failure.message if failure else "The engine is not available."
        hint = failure.hint if failure else "Choose another profile."
        self._end(TurnState.FAILED, error=MessageError(message, hint))

    def _end(
        self,
        state: TurnState,
        finished: GenerationFinished | None = None,
        error: MessageError | None = None,
        traces: dict[TraceKey, TokenIds] | None = None,
    ) -> None:
        model = self._info.name if self._info else ""
        if self.turn.end(state, finished, error, model):
            self._context.on_end(self, traces or {})
