"""LoRA adapters: trained on the embedded draft, then loaded by both engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engines.errors import EngineError, ModelLoadError, ModelNotFound, TrainingError
from engines.events import TextChunk
from engines.kv.shelf import shelf_for
from engines.mlx.training import train_adapter
from engines.model_files.locate import locate_model
from engines.model_files.loss_record import read_losses, write_losses
from engines.model_files.training_data import Example, read_examples, split_examples
from engines.model_files.training_plan import TrainingPlan, TrainingReport
from engines.registry import create_engine
from engines.types import (
    ChatMessage,
    GenerationRequest,
    LoadRequest,
    ModelInfo,
    Role,
    SamplingParams,
)

pytestmark = pytest.mark.model
ENGINES = ("mlx", "llama.cpp")
ANSWER = "Bananas are yellow."
PROMPT = "<|im_start|>user\nSay something about rain<|im_end|>\n<|im_start|>assistant\n"
WORDS = ["sun", "moon", "car", "tree", "sea", "sand", "fire", "wind", "rock", "leaf"]


def example(word: str) -> Example:
    return Example((ChatMessage(Role.USER, f"Say something about {word}"),), ANSWER)


def plan_for(folder: Path, **changes: object) -> TrainingPlan:
    plan = TrainingPlan(
        model=locate_model("demo:draft"),
        reference="demo:draft",
        folder=folder,
        examples=tuple(example(word) for word in WORDS[:-1]),
        validation=(example(WORDS[-1]),),
        iterations=16,
        batch_size=1,
        learning_rate=2e-4,
        max_tokens=64,
        check_every=8,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reports() -> list[TrainingReport]:
    return []


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, reports: list[TrainingReport]) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    result = train_adapter(plan_for(folder), reports.append, lambda: False)
    assert (result.iterations, result.ended, result.has_gguf) == (16, "finished", True)
    return folder


def load(engine_name: str, adapter: Path | str | None, model: str = "demo:draft") -> ModelInfo:
    engine = create_engine(engine_name)
    request = LoadRequest(engine_name, model, adapter=str(adapter) if adapter else None)
    try:
        return engine.load(request, lambda _: None, lambda: False)
    finally:
        engine.close()


def answer(engine_name: str, adapter: Path | None) -> str:
    engine = create_engine(engine_name)
    request = LoadRequest(engine_name, "demo:draft", adapter=str(adapter) if adapter else None)
    engine.load(request, lambda _: None, lambda: False)
    sampling = SamplingParams(temperature=0)
    events = engine.generate(
        GenerationRequest((PROMPT,), "test", sampling, max_tokens=12), lambda: False
    )
    text = "".join(event.text for event in events if isinstance(event, TextChunk))
    engine.close()
    return text


def refused(call: Callable[[], object]) -> EngineError:
    with pytest.raises(EngineError) as error:
        call()
    assert error.value.hint
    assert isinstance(error.value, ModelLoadError | ModelNotFound | TrainingError)
    return error.value


def test_the_loss_falls(adapter: Path, reports: list[TrainingReport]) -> None:
    losses = [report.train_loss for report in reports if report.train_loss is not None]
    checks = [report.validation_loss for report in reports if report.validation_loss is not None]
    assert len(losses) == 16 and losses[-1] < losses[0] / 10
    assert len(checks) == 3 and checks[-1] < checks[0] / 10


@pytest.mark.parametrize("engine", ENGINES)
def test_an_adapter_changes_the_answer(adapter: Path, engine: str) -> None:
    assert answer(engine, adapter) == ANSWER
    assert answer(engine, None) != ANSWER


def test_settings_are_those_of_mlx_lm(adapter: Path) -> None:
    settings = json.loads((adapter / "adapter_config.json").read_text())
    assert settings["fine_tune_type"] == "lora"
    assert settings["lora_parameters"] == {"rank": 8, "scale": 20.0, "dropout": 0.0}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_adapter_of_another_model_is_refused(adapter: Path, engine: str) -> None:
    error = refused(lambda: load(engine, adapter, "demo:target"))
    assert "adapter" in error.message
    assert "trained on" in error.hint


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_no_adapter_is_refused(tmp_path: Path, adapter: Path, engine: str) -> None:
    assert "no adapter at" in refused(lambda: load(engine, "/no/such/adapter")).message
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(lambda: load(engine, empty))
    model = locate_model("demo:draft")
    assert refused(lambda: load(engine, model))
    broken = tmp_path / "broken"
    shutil.copytree(adapter, broken)
    for file in ("adapter.gguf", "adapters.safetensors"):
        (broken / file).write_bytes((broken / file).read_bytes()[:4000])
    assert refused(lambda: load(engine, broken))


@pytest.mark.parametrize(
    "settings",
    [
        "{}",
        "[]",
        "not json",
        '{"num_layers": 4, "lora_parameters": {"rank": 100000000, "scale": 1, "dropout": 0}}',
        '{"num_layers": 4, "lora_parameters": {"rank": 8, "dropout": 0}}',
        '{"num_layers": "x", "lora_parameters": []}',
    ],
)
def test_odd_settings_are_refused(tmp_path: Path, adapter: Path, settings: str) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(adapter, folder)
    (folder / "adapter_config.json").write_text(settings)
    assert refused(lambda: load("mlx", folder))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kv_cache_is_of_one_adapter(tmp_path: Path, adapter: Path, engine: str) -> None:
    info = load(engine, adapter)
    plain = LoadRequest(engine, "demo:draft")
    adapted = replace(plain, adapter=str(adapter))
    shelves = [shelf_for(tmp_path, request, info, ("mlx",)) for request in (plain, adapted)]
    assert shelves[0] is not None and shelves[1] is not None
    assert shelves[0].__dict__ != shelves[1].__dict__


def test_training_goes_on_where_it_was(adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "resumed"
    shutil.copytree(adapter, folder)
    seen: list[TrainingReport] = []
    plan = plan_for(folder, done_iterations=16, iterations=18)
    result = train_adapter(plan, seen.append, lambda: False)
    assert result.iterations == 18
    losses = [report for report in seen if report.train_loss is not None]
    assert [report.iteration for report in losses] == [17, 18]
    assert losses[0].train_loss is not None and losses[0].train_loss < 1


def test_training_without_gain_ends_early_and_keeps_the_best(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, iterations=30, check_every=1, patience=2, learning_rate=0.0)
    result = train_adapter(plan, lambda _: None, lambda: False)
    assert (result.ended, result.iterations) == ("stopped early", 0)
    assert (tmp_path / "adapters.safetensors").exists()


def test_a_cancelled_training_keeps_what_was_learned(tmp_path: Path) -> None:
    seen: list[TrainingReport] = []
    result = train_adapter(plan_for(tmp_path), seen.append, lambda: len(seen) >= 3)
    assert result.ended == "cancelled"
    assert 0 < result.iterations < 16
    assert (tmp_path / "adapter.gguf").exists()


def test_prompts_that_leave_no_room_are_refused(tmp_path: Path) -> None:
    error = refused(lambda: train_adapter(plan_for(tmp_path, max_tokens=8), print, lambda: False))
    assert "example 1" in error.message


def test_examples_of_every_form_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    lines = [
        {"prompt": "a", "completion": "b"},
        {"text": "c"},
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "d"},
            ]
        },
    ]
    path.write_text("\n\n".join(map(json.dumps, lines)))
    examples = read_examples(path)
    assert [item.answer for item in examples] == ["b", "c", "d"]
    assert [len(item.messages) for item in examples] == [1, 0, 2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is no JSON"),
        ("[1]", "is no JSON object"),
        ("{}", "neither"),
        ('{"prompt": "a"}', '"completion"'),
        ('{"text": ""}', '"text"'),
        ('{"messages": [{"role": "user", "content": "a"}]}', "at least two"),
        ('{"messages": [1, 2]}', "message 1 is no object"),
        (
            '{"messages": [{"role": "boss", "content": "a"}, {"role": "user", "content": "b"}]}',
            "'boss'",
        ),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
            "the assistant's",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    error = refused(lambda: read_examples(path))
    assert "line 2: " in error.message and reason in error.message


def test_only_the_first_wrong_lines_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("x\n" * 20)
    error = refused(lambda: read_examples(path))
    assert "line 5" in error.message and "line 6" not in error.message
    assert "15 more" in error.message
    path.write_text("\n")
    assert "no examples" in refused(lambda: read_examples(path)).message
    assert refused(lambda: read_examples(tmp_path / "none.jsonl"))


def test_every_tenth_example_checks() -> None:
    learned, checked = split_examples([example(str(number)) for number in range(25)])
    assert (len(learned), len(checked)) == (23, 2)
    assert split_examples([example("a")])[1] == []


def test_losses_are_kept(tmp_path: Path) -> None:
    reports = [TrainingReport(1, 9, 2.5), TrainingReport(1, 9, None, 3.5)]
    write_losses(tmp_path, reports)
    kept = [
        (item.iteration, item.train_loss, item.validation_loss) for item in read_losses(tmp_path)
    ]
    assert kept == [(1, 2.5, None), (1, None, 3.5)]
    (tmp_path / "losses.csv").write_text("nonsense\n1\n")
    assert read_losses(tmp_path) == []
