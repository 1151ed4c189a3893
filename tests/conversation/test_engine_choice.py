"""Engine `auto`: a session on two scripted engines that stand for MLX and llama.cpp."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conversation.engine_choice import prompt_tokens
from conversation.measurement import Measurement
from conversation.measurements import Measurements
from conversation.message import AttachmentPart, Message, TextPart, new_message
from conversation.session import Session
from conversation.store import Store
from conversation.turn import Turn, TurnState
from engines.base import Cancelled
from engines.errors import NotEnoughMemory
from engines.events import EngineFailed, LoadProgress, ModelLoaded
from engines.hardware_probes import GPU
from engines.pool import EnginePool
from engines.scripted import Gate, ScriptedEngine
from engines.thread import EngineState
from engines.types import LoadRequest, ModelInfo, Role
from profiles.routing import ChosenBy, EngineChoice
from profiles.schema import Profile

AUTO = Profile(
    name="auto",
    model="org/mlx",
    engine="auto",
    model_by_engine=(("mlx", "org/mlx"), ("llama.cpp", "org/gguf")),
)


class NamedEngine(ScriptedEngine):
    """The scripted engine under the name of another one, where it is not too large for it."""

    def __init__(self, too_large_for: set[str], gate: Gate | None) -> None:
        super().__init__(["An answer."], gate)
        self._too_large_for = too_large_for

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        if request.engine in self._too_large_for:
            raise NotEnoughMemory("It is too large.", "Choose a smaller one.")
        info = super().load(request, report, cancelled)
        self._info = replace(info, engine=request.engine)
        return self._info


class Bench:
    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.measurements = Measurements(self.store.path, self.store.writer, lambda: "here")
        self.too_large_for: set[str] = set()
        self.gate: Gate | None = None
        self.loaded: list[str] = []
        self.pool = EnginePool(10**9, self._create)

    def _create(self, request: LoadRequest) -> NamedEngine:
        self.loaded.append(request.engine)
        return NamedEngine(self.too_large_for, self.gate)

    def session(self, profile: Profile = AUTO) -> Session:
        return Session(self.store, self.pool, profile, measurements=self.measurements)

    def know(self, engine: str, prefill_tps: float, decode_tps: float) -> None:
        """As if turns had been measured."""
        self.measurements.record(
            Measurement(
                machine="here",
                profile="",
                task="",
                model=dict(AUTO.model_by_engine)[engine],
                draft="",
                engine=engine,
                quantization="",
                kv_type="f16",
                prompt_tokens=1000,
                cached_tokens=0,
                generated_tokens=101,
                ttft_s=1.0,
                prefill_s=1000 / prefill_tps,
                decode_s=100 / decode_tps,
                load_s=0.1,
            )
        )


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("engines.registry.importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("engines.hardware_probes.find_gpu", lambda: GPU.METAL)
    monkeypatch.setattr("engines.registry.platform.system", lambda: "Linux")
    bench = Bench(tmp_path / "a.db")
    yield bench
    assert bench.pool.close(10)
    assert bench.store.close(10)


def answered(turn: Turn) -> Turn:
    assert turn.wait(10)
    assert turn.state is TurnState.FINISHED
    return turn


def choice_of(turn: Turn) -> EngineChoice:
    choice = answered(turn).engine_choice
    assert choice is not None
    return choice


def engine_of(turn: Turn) -> str:
    stats = answered(turn).stats
    assert stats is not None
    return stats.engine


def test_a_short_question_goes_to_mlx_and_a_long_text_to_llama_cpp(bench: Bench) -> None:
    session = bench.session()
    short = session.send("Hello")
    assert (engine_of(short), choice_of(short).by) == ("mlx", ChosenBy.GUIDE)
    other = bench.session()
    long = other.send("What is it about?", [AttachmentPart("long.txt", "word " * 20_000, 100_000)])
    assert engine_of(long) == "llama.cpp"
    assert "better at short answers to long prompts" in choice_of(long).reason
    assert bench.loaded.count("mlx") == 1


def test_measurements_decide_once_there_are_some(bench: Bench) -> None:
    bench.know("mlx", prefill_tps=100, decode_tps=5)
    bench.know("llama.cpp", prefill_tps=100, decode_tps=50)
    session = bench.session()
    turn = session.send("Hello")
    assert engine_of(turn) == "llama.cpp"
    assert choice_of(turn).by is ChosenBy.MEASURED
    assert "s on MLX" in choice_of(turn).reason
    assert bench.loaded == ["llama.cpp"]


def test_the_footer_tells_of_a_change_and_only_of_that(bench: Bench) -> None:
    session = bench.session()
    first, second = answered(session.send("Hello")), answered(session.send("Again"))
    assert first.stats is not None
    assert second.stats is not None
    assert first.stats.engine_choice.startswith("MLX: ")
    assert second.stats.engine_choice == ""
    assert [event for event in second.drain() if isinstance(event, EngineChoice)]


def test_the_engine_that_holds_the_conversation_keeps_it(bench: Bench) -> None:
    """MLX is faster at a turn of its own, but would have to read everything again."""
    bench.know("mlx", prefill_tps=500, decode_tps=60)
    bench.know("llama.cpp", prefill_tps=5000, decode_tps=30)
    session = bench.session()
    text = AttachmentPart("long.txt", "word " * 20_000, 100_000)
    assert engine_of(session.send("Sum it up.", [text])) == "llama.cpp"
    assert engine_of(session.send("And now?")) == "llama.cpp"
    assert engine_of(bench.session().send("And now?")) == "mlx"


def test_a_pinned_engine_answers_until_it_is_released(bench: Bench) -> None:
    session = bench.session()
    assert session.engines == ("mlx", "llama.cpp")
    session.pin_engine("llama.cpp")
    pinned = session.send("Hello")
    assert (engine_of(pinned), choice_of(pinned).by) == ("llama.cpp", ChosenBy.PINNED)
    session.pin_engine("")
    assert choice_of(session.send("Hello")).by is ChosenBy.GUIDE


def test_a_profile_that_names_its_engine_is_left_alone(bench: Bench) -> None:
    session = bench.session(replace(AUTO, engine="llama.cpp"))
    turn = session.send("Hello")
    assert engine_of(turn) == "llama.cpp"
    assert turn.engine_choice is None
    session.pin_engine("mlx")
    assert engine_of(session.send("Hello")) == "mlx"


def test_what_does_not_fit_is_answered_by_the_other_engine(bench: Bench) -> None:
    bench.too_large_for = {"mlx"}
    session = bench.session()
    turn = session.send("Hello")
    assert engine_of(turn) == "llama.cpp"
    assert choice_of(turn).reason == "llama.cpp: MLX has not room for the model"
    assert engine_of(session.send("Again")) == "llama.cpp"
    assert bench.loaded == ["mlx", "llama.cpp"]


def test_what_does_not_fit_is_replaced_before_a_question_as_well(bench: Bench) -> None:
    bench.too_large_for = {"mlx"}
    session = bench.session()
    events: list[object] = []
    while not any(isinstance(event, ModelLoaded) for event in events):
        events += session.drain_load_events()
    assert not any(isinstance(event, EngineFailed) for event in events)
    assert session.engine_state is EngineState.READY
    assert session.model_info is not None
    assert session.model_info.engine == "llama.cpp"


def test_where_nothing_fits_the_turn_says_so(bench: Bench) -> None:
    bench.too_large_for = {"mlx", "llama.cpp"}
    turn = bench.session().send("Hello")
    assert turn.wait(10)
    assert turn.state is TurnState.FAILED
    assert turn.error is not None
    assert turn.error.message == "It is too large."


def test_turns_that_wait_go_to_the_engine_of_the_one_before(bench: Bench) -> None:
    gate = bench.gate = Gate()
    session = bench.session()
    session.send("Hello")
    text = AttachmentPart("long.txt", "word " * 20_000, 100_000)
    waiting = session.send("What is it about?", [text])
    gate.open()
    assert engine_of(waiting) == "mlx"
    assert waiting.engine_choice is None


def told(text: str, role: Role = Role.USER, **values: object) -> Message:
    return replace(new_message(role, [TextPart(text)]), **values)  # type: ignore[arg-type]


def answer(engine: str, context_tokens: int, profile: str = "auto") -> Message:
    stats = {"engine": engine, "prompt_tokens": context_tokens - 10, "generated_tokens": 10}
    return told("yes", Role.ASSISTANT, profile=profile, stats=stats)


def test_prompts_are_counted_by_what_each_engine_holds() -> None:
    question = told("x" * 380)
    path = [told("a"), answer("mlx", 1000), told("b"), answer("llama.cpp", 1500), question]
    assert prompt_tokens(path, AUTO, "mlx") == (1600, 600)
    assert prompt_tokens(path, AUTO, "llama.cpp") == (1600, 100)
    assert prompt_tokens(path, replace(AUTO, name="other"), "mlx") == (1600, 1600)
    assert prompt_tokens([question], AUTO, "mlx") == (105, 105)


def test_a_switch_is_named_where_it_made_a_turn_read_again(bench: Bench) -> None:
    def note(engine: str) -> str:
        session.pin_engine(engine)
        stats = answered(session.send("word " * 60)).stats
        assert stats is not None
        return stats.cache_note

    session = bench.session()
    assert note("mlx") == ""
    assert note("llama.cpp").endswith("tokens read again: this is the first turn here on llama.cpp")
    assert note("mlx").endswith("turn 2 was answered on llama.cpp")
    assert note("mlx") == ""
