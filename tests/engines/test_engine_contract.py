"""One body for every engine: what `engines.base.Engine` promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engines.base import Engine
from engines.chat_template import ChatTemplate
from engines.errors import ContextWindowExceeded, EngineError, ModelLoadError, ModelNotFound
from engines.events import (
    FinishReason,
    GenerationEvent,
    GenerationFinished,
    LoadProgress,
    PrefillProgress,
    TextChunk,
    TextKind,
)
from engines.registry import create_engine
from engines.types import (
    ChatMessage,
    GenerationRequest,
    LoadRequest,
    ModelInfo,
    Role,
    SamplingParams,
)

SCRIPT = "Here it is: 🚀 naïve 你好.\n\n```python\ndef add(a, b):\n    return a + b\n```\n" * 8
GREEDY = SamplingParams(temperature=0.0)
QUESTION = "Write a Python function `add` that adds two numbers."

ENGINES = [
    pytest.param("scripted", id="scripted"),
    pytest.param("mlx", id="mlx", marks=pytest.mark.model),
    pytest.param("llama.cpp", id="llama.cpp", marks=pytest.mark.model),
]
ON_A_GPU = pytest.param("llama.cpp on a GPU", id="llama.cpp-gpu", marks=pytest.mark.model)
"""The order of steps that a GPU has, on the CPU: it launches passes before it hands text on."""


@dataclass
class Loaded:
    engine: Engine
    info: ModelInfo
    load_request: LoadRequest

    @property
    def template(self) -> ChatTemplate:
        return ChatTemplate(self.info.chat_template, self.info.bos_token, self.info.eos_token)

    def prompt(self, text: str = QUESTION) -> str:
        return self.template.render([ChatMessage(Role.USER, text)], reasoning=False)

    def request(self, text: str = QUESTION, **changes: object) -> GenerationRequest:
        request = GenerationRequest((self.prompt(text),), "chat", GREEDY, max_tokens=48)
        return replace(request, **changes)  # type: ignore[arg-type]

    def run(
        self, request: GenerationRequest, cancelled: Callable[[], bool] = lambda: False
    ) -> list[GenerationEvent]:
        return list(self.engine.generate(request, cancelled))


def text_of(events: list[GenerationEvent], kind: TextKind | None = None) -> str:
    chunks = [event for event in events if isinstance(event, TextChunk)]
    return "".join(chunk.text for chunk in chunks if kind in (None, chunk.kind))


def finish_of(events: list[GenerationEvent]) -> GenerationFinished:
    assert isinstance(events[-1], GenerationFinished)
    assert sum(isinstance(event, GenerationFinished) for event in events) == 1
    return events[-1]


def load_request(name: str, folder: Path, **changes: object) -> LoadRequest:
    request = LoadRequest(name, "demo:target")
    if name == "scripted":
        script = folder / "script.md"
        script.write_text(SCRIPT, encoding="utf-8")
        request = LoadRequest(name, "script", options=(("script", str(script)),))
    return replace(request, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[*ENGINES, ON_A_GPU])
def loaded_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    name, _, place = request.param.partition(" ")
    engine = create_engine(name)
    load = load_request(name, tmp_path_factory.mktemp("model"))
    reports: list[LoadProgress] = []
    info = engine.load(load, reports.append, lambda: False)
    assert reports
    assert all(report.fraction is None or 0 <= report.fraction <= 1 for report in reports)
    if place:
        engine.loaded.cache.context.computes_aside = True  # type: ignore[attr-defined]
    yield Loaded(engine, info, load)
    engine.close()


@pytest.fixture
def loaded(loaded_engine: Loaded) -> Loaded:
    """The engine with no KV cache of an earlier test."""
    for key in ("chat", "other"):
        loaded_engine.engine.forget(key)
    return loaded_engine


def test_the_model_says_what_it_is(loaded: Loaded) -> None:
    info = loaded.info
    assert info.engine == loaded.load_request.engine
    assert info.context_window_tokens > 0
    assert info.kv_bytes_per_token > 0
    assert info.weights_bytes > 0
    assert info.chat_template
    assert loaded.engine.memory_bytes() >= 0


def test_events_come_in_order_and_add_up(loaded: Loaded) -> None:
    events = loaded.run(loaded.request())
    kinds = [type(event) for event in events]
    assert kinds[0] is PrefillProgress
    assert kinds == sorted(kinds, key=[PrefillProgress, TextChunk, GenerationFinished].index)
    prefill = [event for event in events if isinstance(event, PrefillProgress)]
    assert prefill[0].done_tokens == prefill[0].cached_tokens == 0
    assert prefill[-1].done_tokens == prefill[-1].prompt_tokens
    finished = finish_of(events)
    stats = finished.stats
    counted = sum(event.token_count for event in events if isinstance(event, TextChunk))
    assert 0 < counted <= stats.generated_tokens <= 48
    assert stats.prompt_tokens == prefill[-1].prompt_tokens == sum(finished.prompt_token_counts)
    assert len(finished.token_ids) >= stats.prompt_tokens + counted
    assert stats.ttft_s is not None
    assert stats.ttft_s >= stats.prefill_s > 0
    assert stats.kv_cache_bytes > 0
    assert text_of(events).strip()


def test_a_limit_ends_the_answer_and_says_so(loaded: Loaded) -> None:
    finished = finish_of(loaded.run(loaded.request(max_tokens=5)))
    assert finished.reason is FinishReason.LENGTH
    assert finished.stats.generated_tokens == 5


def test_the_end_of_the_answer_is_a_stop(loaded: Loaded) -> None:
    finished = finish_of(loaded.run(loaded.request(max_tokens=400)))
    assert finished.reason is FinishReason.STOP


def test_the_next_turn_prefills_only_what_it_adds(loaded: Loaded) -> None:
    finished = finish_of(loaded.run(loaded.request()))
    for number in range(2, 6):
        addition = loaded.info.eos_token + "\n" + loaded.prompt(f"And number {number}?")
        before = finished.token_ids
        finished = finish_of(loaded.run(loaded.request(prompt=(before, addition), max_tokens=12)))
        added = finished.prompt_token_counts[1]
        assert finished.prompt_token_counts[0] == len(before)
        assert finished.stats.prompt_tokens == len(before) + added
        assert len(before) - 1 <= finished.stats.cached_tokens <= len(before)


def test_a_continued_cache_gives_the_same_text_as_a_fresh_one(loaded: Loaded) -> None:
    if loaded.load_request.engine == "scripted":
        pytest.skip("the script does not depend on the prompt")
    first = finish_of(loaded.run(loaded.request(max_tokens=20)))
    follow_up = (first.token_ids, loaded.info.eos_token + "\n" + loaded.prompt("Now `sub`."))
    continued = loaded.run(loaded.request(prompt=follow_up))
    loaded.engine.forget("chat")
    fresh = loaded.run(loaded.request(prompt=follow_up))
    assert finish_of(fresh).stats.cached_tokens == 0
    assert text_of(continued) == text_of(fresh)


def test_cancelled_decode_keeps_the_text_and_the_cache(loaded: Loaded) -> None:
    events: list[GenerationEvent] = []
    for event in loaded.engine.generate(
        loaded.request(), lambda: len(events) > 0 and len(text_of(events)) > 20
    ):
        events.append(event)
    finished = finish_of(events)
    assert finished.reason is FinishReason.CANCELLED
    assert len(text_of(events)) > 20
    resumed = finish_of(
        loaded.run(loaded.request(prompt=(finished.token_ids, loaded.info.eos_token + "\nGo on")))
    )
    assert resumed.stats.cached_tokens >= len(finished.token_ids) - 1


def test_cancelled_prefill_keeps_what_is_done(loaded: Loaded) -> None:
    long_text = " ".join(f"word{n}" for n in range(180))
    prefilled: list[PrefillProgress] = []
    finished = None
    for event in loaded.engine.generate(
        loaded.request(long_text), lambda: bool(prefilled) and prefilled[-1].done_tokens > 0
    ):
        if isinstance(event, PrefillProgress):
            prefilled.append(event)
        finished = event
    assert isinstance(finished, GenerationFinished)
    assert finished.reason is FinishReason.CANCELLED
    assert finished.stats.generated_tokens == 0
    assert 0 < prefilled[-1].done_tokens < prefilled[-1].prompt_tokens
    again = finish_of(loaded.run(loaded.request(long_text, max_tokens=4)))
    assert again.stats.cached_tokens >= prefilled[-1].done_tokens - 1


def test_switching_between_conversations_keeps_both_caches(loaded: Loaded) -> None:
    first = finish_of(loaded.run(loaded.request(max_tokens=8)))
    other = loaded.request("Say hello.", cache_key="other", max_tokens=8)
    loaded.run(other)
    back = loaded.request(prompt=(first.token_ids, loaded.info.eos_token), max_tokens=4)
    assert finish_of(loaded.run(back)).stats.cached_tokens >= len(first.token_ids) - 1
    assert finish_of(loaded.run(other)).stats.cached_tokens > 0


def test_a_stop_text_never_leaks(loaded: Loaded) -> None:
    whole = text_of(loaded.run(loaded.request(max_tokens=40)))
    middle = len(whole) // 2
    stop = whole[middle : middle + 4]
    loaded.engine.forget("chat")
    if loaded.load_request.engine == "scripted":
        stop = "def add"
    events = loaded.run(loaded.request(max_tokens=40, stop=(stop,)))
    assert finish_of(events).reason is FinishReason.STOP
    assert stop not in text_of(events)
    if loaded.load_request.engine != "scripted":
        assert text_of(events) == whole[: whole.index(stop)]


def test_characters_are_whole(loaded: Loaded) -> None:
    events = loaded.run(loaded.request("Repeat: naïve 你好 🚀", max_tokens=60))
    assert all(event.text for event in events if isinstance(event, TextChunk))


def test_the_same_seed_writes_the_same_text(loaded: Loaded) -> None:
    if loaded.load_request.engine == "scripted":
        pytest.skip("the script goes on to its next answer")
    sampling = SamplingParams(temperature=1.2, seed=7)
    texts = [text_of(loaded.run(loaded.request(sampling=sampling))) for _ in range(2)]
    assert texts[0] == texts[1]
    unseeded = SamplingParams(temperature=1.5)
    others = {text_of(loaded.run(loaded.request(sampling=unseeded))) for _ in range(4)}
    assert len(others) > 1


def test_a_prompt_beyond_the_window_is_refused_and_the_engine_goes_on(loaded: Loaded) -> None:
    words = loaded.info.context_window_tokens * 2
    with pytest.raises(ContextWindowExceeded) as refused:
        loaded.run(loaded.request("x 7 " * words))
    assert refused.value.prompt_tokens > refused.value.context_window_tokens
    assert text_of(loaded.run(loaded.request()))


def test_token_counts_agree_with_the_prompt(loaded: Loaded) -> None:
    prompt = loaded.prompt()
    finished = finish_of(loaded.run(loaded.request(max_tokens=1)))
    assert loaded.engine.count_tokens([prompt, ""]) == [finished.stats.prompt_tokens, 0]


def test_token_ids_beyond_the_vocabulary_are_refused(loaded: Loaded) -> None:
    if loaded.load_request.engine == "scripted":
        pytest.skip("the scripted vocabulary grows as it reads")
    with pytest.raises(EngineError):
        loaded.run(loaded.request(prompt=((10**9,), loaded.prompt())))


@pytest.mark.parametrize("name", ENGINES)
def test_a_missing_model_is_one_clear_error(name: str, tmp_path: Path) -> None:
    request = LoadRequest(name, str(tmp_path / "no-such-model.gguf"))
    if name == "scripted":
        request = LoadRequest(name, "script", options=(("script", str(tmp_path / "no.md")),))
    with pytest.raises(ModelNotFound) as error:
        create_engine(name).load(request, lambda report: None, lambda: False)
    assert error.value.hint


@pytest.mark.model
@pytest.mark.parametrize("name", ["mlx", "llama.cpp"])
@pytest.mark.parametrize(
    "content",
    [b"", b"GG", b"not a model at all" * 100, b"GGUF" + b"\xff" * 400],
    ids=["empty", "short", "wrong-magic", "absurd-counts"],
)
def test_a_bad_file_is_one_clear_error(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError) as error:
        create_engine(name).load(LoadRequest(name, str(path)), lambda _: None, lambda: False)
    assert error.value.hint
    assert "\n" not in error.value.message


@pytest.mark.model
@pytest.mark.parametrize("name", ["mlx", "llama.cpp"])
def test_a_draft_model_changes_the_speed_and_not_the_text(name: str, tmp_path: Path) -> None:
    engine = create_engine(name)
    request = load_request(name, tmp_path, draft_model="demo:draft")
    with_draft = Loaded(engine, engine.load(request, lambda _: None, lambda: False), request)
    try:
        assert with_draft.info.draft_name
        plain = with_draft.run(with_draft.request(max_tokens=120, use_draft=False))
        assert finish_of(plain).stats.drafted_tokens == 0
        engine.forget("chat")
        drafted = with_draft.run(with_draft.request(max_tokens=120))
        stats = finish_of(drafted).stats
        assert 0 < stats.accepted_tokens <= stats.drafted_tokens
        counted = sum(c.drafted_token_count for c in drafted if isinstance(c, TextChunk))
        assert counted == stats.accepted_tokens
        assert text_of(drafted) == text_of(plain)
    finally:
        engine.close()
