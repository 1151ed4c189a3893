from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.errors import EngineError, ModelLoadError, NotEnoughMemory
from engines.events import LoadProgress, TextChunk
from engines.model_files.conversion_plan import MlxRecipe, base_name, plan_conversion
from engines.model_files.convert import convert
from engines.model_files.finding.places import ModelPlaces
from engines.model_files.finding.search import find_models
from engines.model_files.gguf import read_header
from engines.registry import create_engine
from engines.types import GenerationRequest, LoadRequest, SamplingParams
from tests.engines.model_files.model_store import gguf_bytes, mlx_files, write_files

pytestmark = pytest.mark.model
PROMPT = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
NAMES: dict[str, MlxRecipe | str] = {
    "4bit": MlxRecipe(4),
    "8bit": MlxRecipe(8, 32),
    "mixed_4_6": MlxRecipe(4, 64, "mixed_4_6"),
    "fp16": MlxRecipe(None),
    "Q4_K_M": "Q4_K_M",
    "F16": "F16",
}


def answer(engine_name: str, model: Path | str) -> str:
    engine = create_engine(engine_name)
    engine.load(LoadRequest(engine_name, str(model)), lambda _: None, lambda: False)
    request = GenerationRequest((PROMPT,), "test", SamplingParams(temperature=0), max_tokens=8)
    events = engine.generate(request, lambda: False)
    text = "".join(event.text for event in events if isinstance(event, TextChunk))
    engine.close()
    return text


def refused(call: Callable[[], object]) -> EngineError:
    with pytest.raises((ModelLoadError, NotEnoughMemory)) as error:
        call()
    assert error.value.hint
    return error.value


@pytest.mark.parametrize("name", NAMES)
def test_the_embedded_draft_is_converted_and_answers(name: str, tmp_path: Path) -> None:
    target = NAMES[name]
    reports: list[LoadProgress] = []
    plan = plan_conversion("demo:draft", target, tmp_path / "made")
    output = convert(plan, reports.append, lambda: False)
    ending = f"{name}.gguf" if isinstance(target, str) else name
    assert output == tmp_path / "made" / f"llm-tui-demo-draft-{ending}"
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    fractions = [report.fraction or 0.0 for report in reports]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and len(fractions) > 3
    engine = "llama.cpp" if isinstance(target, str) else "mlx"
    text = answer(engine, output)
    assert len(text.split()) >= 2
    if name in ("fp16", "F16"):
        assert text == answer(engine, "demo:draft")


def test_what_was_written_is_found_with_its_quantization(tmp_path: Path) -> None:
    targets: list[MlxRecipe | str] = [MlxRecipe(4), NAMES["mixed_4_6"], "Q6_K"]
    for target in targets:
        convert(plan_conversion("demo:draft", target, tmp_path), lambda _: None, lambda: False)
    found = {
        model.path.name: (model.quantization, model.engines, model.problem)
        for model in find_models(ModelPlaces(folders=(tmp_path,)))
        if model.path.parent == tmp_path
    }
    assert found == {
        "llm-tui-demo-draft-4bit": ("4-bit", ("mlx",), ""),
        "llm-tui-demo-draft-mixed_4_6": ("4/6-bit", ("mlx",), ""),
        "llm-tui-demo-draft-Q6_K.gguf": ("Q6_K", ("llama.cpp",), ""),
    }
    header = read_header(tmp_path / "llm-tui-demo-draft-Q6_K.gguf")
    assert header.quantization == "Q6_K"


def test_a_folder_is_quantized_with_its_tokenizer_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    convert(
        plan_conversion("demo:draft", MlxRecipe(None), tmp_path, source),
        lambda _: None,
        lambda: False,
    )
    (source / "program.py").write_text("import os")
    plan = plan_conversion(str(source), MlxRecipe(8), tmp_path)
    output = convert(plan, lambda _: None, lambda: False)
    assert output == tmp_path / "source-8bit"
    names = {path.name for path in output.iterdir()}
    assert {"tokenizer.json", "tokenizer_config.json", "generation_config.json"} < names
    assert "program.py" not in names
    assert answer("mlx", output) == answer("mlx", "demo:draft")
    again = plan_conversion(str(output), MlxRecipe(4), tmp_path)
    assert "quantized already" in refused(lambda: convert(again, print, lambda: False)).message


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    output = write_files(tmp_path / "mine", {"x": b"precious"})
    error = refused(lambda: plan_conversion("demo:draft", MlxRecipe(4), tmp_path, output))
    assert "exists already" in error.message
    assert (output / "x").read_bytes() == b"precious"


@pytest.mark.parametrize("target", [MlxRecipe(4), "Q4_K_M"], ids=str)
def test_a_cancelled_conversion_leaves_nothing(tmp_path: Path, target: MlxRecipe | str) -> None:
    plan = plan_conversion("demo:target", target, tmp_path / "made")
    assert convert(plan, lambda _: None, lambda: True) is None
    assert not list((tmp_path / "made").iterdir())


def test_safetensors_to_gguf_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "x", mlx_files(bits=None))
    error = refused(lambda: plan_conversion(str(folder), "Q4_K_M", tmp_path))
    assert "script that is not part of the library" in error.message


def test_poor_sources_and_unknown_types_are_refused(tmp_path: Path) -> None:
    (output,) = [
        convert(plan_conversion("demo:draft", "Q4_0", tmp_path), lambda _: None, lambda: False)
    ]
    assert "spoil" in refused(lambda: plan_conversion(str(output), "Q3_K_M", tmp_path)).message
    assert "already" in refused(lambda: plan_conversion("demo:draft", "Q8_0", tmp_path)).message
    for name in ("IQ1_S", "Q9_X"):
        error = refused(lambda name=name: plan_conversion("demo:draft", name, tmp_path))  # type: ignore[misc]
        assert "Q4_K_M" in error.hint


def test_memory_and_disk_are_checked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        available = 2**20
        free = 2**20

    monkeypatch.setattr("psutil.virtual_memory", Full)
    error = refused(lambda: plan_conversion("demo:target", MlxRecipe(4), tmp_path))
    assert "of memory" in error.message
    monkeypatch.setattr("shutil.disk_usage", lambda _: Full())
    error = refused(lambda: plan_conversion("demo:target", "Q4_K_M", tmp_path))
    assert "on the disk" in error.message


def test_a_file_that_the_library_cannot_quantize_is_told(tmp_path: Path) -> None:
    write_files(tmp_path, {"odd-F16.gguf": gguf_bytes("no-such-model", general_file_type=1)})
    plan = plan_conversion(str(tmp_path / "odd-F16.gguf"), "Q8_0", tmp_path)
    error = refused(lambda: convert(plan, lambda _: None, lambda: False))
    assert "cannot quantize odd-F16.gguf" in error.message
    assert not (tmp_path / "odd-Q8_0.gguf").exists()


def test_an_architecture_that_mlx_does_not_read_from_gguf_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"odd.gguf": gguf_bytes("gemma3")})
    plan = plan_conversion(str(tmp_path / "odd.gguf"), MlxRecipe(4), tmp_path)
    error = refused(lambda: convert(plan, lambda _: None, lambda: False))
    assert "gemma3" in error.message
    assert [path.name for path in tmp_path.iterdir()] == ["odd.gguf"]


@pytest.mark.parametrize(
    ("model", "path", "name"),
    [
        ("org/Qwen3-8B-GGUF:Q8_0", "x.gguf", "Qwen3-8B"),
        ("ollama:qwen3:8b", "sha256-0", "qwen3-8b"),
        ("lmstudio:org/M-GGUF:Q8_0", "x.gguf", "M"),
        ("/m/Phi-4-Q8_0.gguf", "/m/Phi-4-Q8_0.gguf", "Phi-4"),
        ("/m/big-F16-00001-of-00002.gguf", "/m/big-F16-00001-of-00002.gguf", "big"),
    ],
)
def test_a_result_is_called_by_its_model(model: str, path: str, name: str) -> None:
    assert base_name(model, Path(path)) == name


def test_the_written_config_is_json_that_others_read(tmp_path: Path) -> None:
    output = convert(
        plan_conversion("demo:draft", MlxRecipe(4), tmp_path), lambda _: None, lambda: False
    )
    assert output is not None
    config = json.loads((output / "config.json").read_text())
    assert config["quantization"] == {"bits": 4, "group_size": 64, "mode": "affine"}
    assert json.loads((output / "tokenizer_config.json").read_text())["chat_template"]
