from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from engines.demo import demo_model_path
from tests.engines.model_files.hub_server import HubContents, Refusal, serve
from tests.engines.model_files.model_store import (
    gguf_bytes,
    mlx_files,
    write_files,
    write_hugging_face,
    write_ollama,
)
from tui.command_line.loss_curve import draw_losses, sparkline
from tui.paths import app_paths

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "OLLAMA_MODELS", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLM_TUI_MACHINE", "M4 16GB")


@pytest.fixture
def cache(home: Path) -> Path:
    return home / ".cache/huggingface/hub"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubContents]:
    contents = HubContents({"org/m-GGUF": {"m-Q4_K_M.gguf": gguf_bytes()}})
    with serve(contents) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        yield contents


@pytest.fixture
def trash(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trash of this test's own, in place of the system's."""
    folder = home / "trash"
    folder.mkdir()
    monkeypatch.setattr("send2trash.send2trash", lambda path: path.rename(folder / path.name))
    return folder


def listed(run: Run, *words: str) -> dict[str, dict[str, object]]:
    result = run("models", "list", "--json", *words)
    assert result.exit_code == 0, result.output
    return {item["reference"]: item for item in json.loads(result.stdout)}


def test_models_of_every_program_are_listed(run: Run, home: Path, cache: Path) -> None:
    write_ollama(home / ".ollama/models", "qwen3:8b", gguf_bytes())
    write_files(home / ".lmstudio/models/a/B-GGUF", {"b-Q4_0.gguf": gguf_bytes()})
    write_hugging_face(cache, "mlx-community/C-4bit", mlx_files())
    write_files(home / "own", {"d.gguf": gguf_bytes(), "broken.gguf": b""})
    write_files(app_paths().config, {"config.toml": b'model_folders = ["~/own"]\n'})
    models = listed(run)
    own = str(home / "own/d.gguf")
    assert {"ollama:qwen3:8b", "lmstudio:a/B-GGUF:Q4_0", "mlx-community/C-4bit", own} < set(models)
    assert models["ollama:qwen3:8b"]["source"] == "ollama"
    assert models["ollama:qwen3:8b"]["fits"] == "fits"
    assert models[str(home / "own/broken.gguf")]["problem"]
    assert set(listed(run, "qwen3", "8b")) == {"ollama:qwen3:8b"}
    table = run("models", "list").stdout.splitlines()
    assert table[0].split()[:3] == ["MODEL", "FAMILY", "PARAMS"]
    assert any("broken" in line and "is empty" in line for line in table)


def test_the_verdict_is_for_the_machine_that_is_named(run: Run, home: Path) -> None:
    blob = write_ollama(home / ".ollama/models", "big:70b", gguf_bytes())
    with blob.open("ab") as file:
        file.truncate(40 * 2**30)  # takes no room on the disk
    assert listed(run)["ollama:big:70b"]["fits"] == "no"
    assert listed(run, "--machine", "M4 Max 128GB")["ollama:big:70b"]["fits"] == "fits"


def test_a_config_that_cannot_be_meant_is_told(run: Run, home: Path) -> None:
    write_files(app_paths().config, {"config.toml": b"model_folders = 3\n"})
    result = run("models", "list")
    assert result.exit_code == 1
    assert 'model_folders = ["~/models"]' in result.stderr
    write_files(app_paths().config, {"config.toml": b"model_folders = [\n"})
    assert "is not correct" in run("models", "list").stderr


def test_show_takes_every_name_of_a_model(run: Run, cache: Path, home: Path) -> None:
    snapshot = write_hugging_face(cache, "org/x-GGUF", {"x-Q8_0.gguf": gguf_bytes()})
    for name in ("org/x-GGUF:Q8_0", "org/x-gguf", str(snapshot / "x-Q8_0.gguf")):
        value = json.loads(run("models", "show", name, "--json").stdout)
        assert value["reference"] == "org/x-GGUF:Q8_0"
        assert value["fit"]["verdict"] == "fits"
    text = run("models", "show", "demo:target").stdout
    assert "28,977,792" in text and "4,096 tokens" in text
    result = run("models", "show", "org/y")
    assert result.exit_code == 1 and "models pull org/y" in result.stderr


def test_show_describes_a_model_outside_of_all_folders(run: Run, home: Path) -> None:
    write_files(home / "elsewhere", {"z.gguf": gguf_bytes()})
    value = json.loads(run("models", "show", home / "elsewhere/z.gguf", "--json").stdout)
    assert value["family"] == "qwen3"
    write_files(home / "elsewhere", {"notes.txt": b"hello"})
    assert run("models", "show", home / "elsewhere/notes.txt").exit_code == 1


def test_pull_prints_where_the_model_lies(run: Run, hub: HubContents, cache: Path) -> None:
    result = run("models", "pull", "org/m-GGUF:Q4_K_M")
    assert result.exit_code == 0, result.output
    path = Path(result.stdout.strip())
    assert path.read_bytes() == gguf_bytes() and path.is_relative_to(cache)
    assert "m-Q4_K_M.gguf (" in result.stderr
    assert "llm-tui --model org/m-GGUF:Q4_K_M" in result.stderr
    assert "org/m-GGUF:Q4_K_M" in listed(run)


def test_pull_reports_as_json(run: Run, hub: HubContents, home: Path) -> None:
    lines = run("models", "pull", "org/m-GGUF", "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert [events[0]["event"], events[-1]["event"]] == ["starting", "finished"]
    assert events[-2]["done_bytes"] == events[-2]["total_bytes"] == len(gguf_bytes())


def test_pull_fails_in_one_line(run: Run, hub: HubContents, home: Path) -> None:
    hub.refusals["/api/models/org"] = Refusal(403, {"X-Error-Code": "GatedRepo"})
    result = run("models", "pull", "org/m-GGUF")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1 and "licence" in result.stderr


def test_what_lm_studio_has_is_not_pulled(run: Run, hub: HubContents, home: Path) -> None:
    folder = home / ".lmstudio/models/org/m-GGUF"
    write_files(folder, {"m-Q4_K_M.gguf": gguf_bytes()})
    result = run("models", "pull", "org/m-GGUF:Q4_K_M")
    assert result.stdout.strip() == str(folder / "m-Q4_K_M.gguf")
    assert not hub.requests
    assert run("models", "pull", "org/m-GGUF:Q4_K_M", "--again").exit_code == 0
    assert hub.requests


def test_remove_asks_and_moves_to_the_trash(run: Run, cache: Path, trash: Path) -> None:
    write_hugging_face(cache, "org/one-4bit", mlx_files())
    refused = run("models", "remove", "org/one-4bit", stdin="n\n")
    assert refused.exit_code == 1 and "org/one-4bit" in listed(run)
    assert run("models", "remove", "org/one-4bit", stdin="y\n").exit_code == 0
    assert "org/one-4bit" not in listed(run)
    assert [path.name for path in trash.iterdir()] == ["models--org--one-4bit"]


def test_remove_takes_one_quantization_and_leaves_the_other(
    run: Run, cache: Path, trash: Path
) -> None:
    files = {"x-Q8_0.gguf": gguf_bytes(x_y=1), "x-Q4_0.gguf": gguf_bytes(x_y=2)}
    snapshot = write_hugging_face(cache, "org/x-GGUF", files)
    result = run("models", "remove", "org/x-GGUF:Q8_0", "--yes", "--json")
    assert json.loads(result.stdout) == {"removed": ["org/x-GGUF:Q8_0"]}
    assert [path.name for path in snapshot.iterdir()] == ["x-Q4_0.gguf"]
    assert (snapshot / "x-Q4_0.gguf").read_bytes() == files["x-Q4_0.gguf"]
    assert [path.read_bytes() for path in trash.iterdir()] == [files["x-Q8_0.gguf"]]


def test_ollamas_and_the_embedded_models_are_left_alone(run: Run, home: Path, trash: Path) -> None:
    blob = write_ollama(home / ".ollama/models", "qwen3:8b", gguf_bytes())
    result = run("models", "remove", "ollama:qwen3:8b", "--yes", "--permanent")
    assert result.exit_code == 1 and "ollama rm qwen3:8b" in result.stderr
    assert blob.exists()
    assert run("models", "remove", "demo:draft", "--yes").exit_code == 1


def test_a_trash_that_does_not_work_deletes_nothing(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError("no trash here")

    monkeypatch.setattr("send2trash.send2trash", fail)
    folder = write_files(home / ".lmstudio/models/a/b", {"c-Q4_0.gguf": gguf_bytes()})
    result = run("models", "remove", "lmstudio:a/b:Q4_0", "--yes")
    assert result.exit_code == 1 and "--permanent" in result.stderr
    assert (folder / "c-Q4_0.gguf").exists()
    result = run("models", "remove", "lmstudio:a/b:Q4_0", "--permanent", stdin="y\n")
    assert "LM Studio will no longer have it" in result.stderr
    assert not (folder / "c-Q4_0.gguf").exists()


@pytest.mark.model
@pytest.mark.parametrize("name", ["ollama:demo:1b", "org/demo-GGUF", "lmstudio:org/demo-GGUF"])
def test_a_model_of_another_program_answers(run: Run, home: Path, cache: Path, name: str) -> None:
    path = demo_model_path("demo:draft")
    assert path is not None
    content = path.read_bytes()
    if name.startswith("ollama:"):
        write_ollama(home / ".ollama/models", "demo:1b", content)
    elif name.startswith("lmstudio:"):
        write_files(home / ".lmstudio/models/org/demo-GGUF", {"demo-Q8_0.gguf": content})
    else:
        write_hugging_face(cache, "org/demo-GGUF", {"demo-Q8_0.gguf": content})
    asked = ("ask", "--model", name, "--temperature", "0", "--max-tokens", "8", "--json", "Hello")
    for engine in ("llama.cpp", "mlx", None):
        result = run(*asked, *(("--engine", engine) if engine else ()))
        assert result.exit_code == 0, result.output
        last = json.loads(result.stdout.splitlines()[-1])
        assert last["stats"]["engine"] == (engine or "llama.cpp")
        assert last["stats"]["generated_tokens"] > 0


@pytest.mark.model
@pytest.mark.parametrize(
    ("form", "engine"),
    [(("--to", "mlx", "--bits", "4"), "mlx"), (("--to", "gguf", "--quant", "q4_k_m"), "llama.cpp")],
)
def test_a_converted_model_is_listed_and_answers(
    run: Run, home: Path, form: tuple[str, ...], engine: str
) -> None:
    result = run("models", "convert", "demo:draft", *form)
    assert result.exit_code == 0, result.output
    path = result.stdout.strip()
    assert "a little worse than from F16" in result.stderr
    assert path in listed(run)
    asked = run("ask", "--model", path, "--max-tokens", "8", "--json", "Hello")
    last = json.loads(asked.stdout.splitlines()[-1])
    assert (last["stats"]["engine"], last["reason"]) == (engine, "length")
    again = run("models", "convert", "demo:draft", *form)
    assert again.exit_code == 1 and "exists already" in again.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--to", "gguf"),
        ("--to", "gguf", "--quant", "Q4_K_M", "--bits", "4"),
        ("--to", "mlx", "--quant", "Q4_K_M"),
        ("--to", "mlx", "--bits", "4", "--recipe", "mixed_4_6"),
        ("--to", "mlx", "--bits", "7"),
        (),
    ],
)
def test_options_that_do_not_go_together(run: Run, options: tuple[str, ...]) -> None:
    assert run("models", "convert", "demo:draft", *options).exit_code == 2


@pytest.mark.model
def test_an_adapter_is_trained_resumed_and_used(run: Run, home: Path, tmp_path: Path) -> None:
    data = tmp_path / "fruit.jsonl"
    words = ["sun", "moon", "car", "tree", "sea", "sand", "fire", "wind", "rock", "leaf"]
    lines = [{"prompt": f"Say {word}", "completion": "Bananas."} for word in words]
    data.write_text("\n".join(map(json.dumps, lines)))
    options = ("--model", "demo:draft", "--batch-size", "1", "--learning-rate", "2e-4")
    train = ("models", "train", data, *options)
    result = run(*train, "--iters", "12")
    assert result.exit_code == 0, result.output
    folder = Path(result.stdout.strip())
    assert folder == app_paths().data / "adapters/llm-tui-demo-draft-fruit"
    assert "validation loss" in result.stderr and "█" in result.stderr
    assert (folder / "losses.csv").read_text().startswith("iteration,train_loss")
    assert (folder / "losses.svg").read_text().count("<polyline") == 2

    assert "--resume" in run(*train, "--iters", "12").stderr
    assert "12 iterations already" in run(*train, "--iters", "12", "--resume").stderr
    value = json.loads(run(*train, "--iters", "14", "--resume", "--json").stdout)
    assert value["iterations"] == 14
    assert [item["iteration"] for item in value["losses"] if item["train_loss"]] == [*range(1, 15)]

    for engine in ("mlx", "llama.cpp"):
        used = ("--model", "demo:draft", "--engine", engine, "--adapter", folder)
        answer = run("ask", *used, "--temperature", "0", "--max-tokens", "6", "Say rain").stdout
        assert answer.startswith("Banan")


def test_training_data_is_checked_before_anything_is_loaded(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "bad.jsonl"
    data.write_text('{"text": "fine"}\n{"text": 3}\n')
    result = run("models", "train", data, "--model", "demo:draft", "--iters", "5")
    assert result.exit_code == 1
    assert "bad.jsonl, line 2" in result.stderr


def test_a_curve_of_losses() -> None:
    assert sparkline([3.0, 2.0, 1.0, 1.0]) == "█▅▁▁"
    assert sparkline([]) == ""
    assert len(sparkline([float(number) for number in range(500)], 40)) == 40
    assert "<svg" in draw_losses([])
