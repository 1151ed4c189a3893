"""Model folders: what runs, and one clear sentence for each that does not."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from engines.errors import EngineError, ModelLoadError
from engines.mlx.device import Device, DeviceKind
from engines.mlx.folder_model import load_folder, plan_folder
from engines.mlx.folder_tokenizer import read_tokenizer
from engines.mlx.loaded_model import LoadedModel

pytestmark = pytest.mark.model

CPU = Device(DeviceKind.CPU, 8 * 2**30)
METAL = Device(DeviceKind.METAL, 8 * 2**30)
Folder = Callable[..., Path]


def refusal(folder: Path) -> ModelLoadError:
    """The error of loading `folder`, which must be one sentence with a way out."""
    with pytest.raises(ModelLoadError) as error:
        plan_folder(folder, CPU)
        load_folder(folder, CPU)
    assert error.value.hint
    assert "\n" not in error.value.message
    assert len(error.value.message) < 300
    return error.value


def change(folder: Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    path = folder / name
    path.write_bytes(edit(path.read_bytes()))


def test_a_folder_loads_and_the_plan_was_right(
    mlx_folder: Folder, demo_target: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", _refuse_network)
    folder = mlx_folder()
    plan = plan_folder(folder, CPU)
    model = load_folder(folder, CPU)
    assert plan.weights_bytes == model.weights_bytes
    assert (plan.architecture, plan.context_window_tokens) == ("qwen3", 512)
    assert model.element_type == "f32"
    assert load_folder(folder, METAL).element_type == "bf16"
    assert model.vocabulary_size == demo_target.vocabulary_size
    model.network(mx.array([[1, 2, 3]]))


def _refuse_network(*_: Any) -> None:
    raise AssertionError("the network was asked")


def test_the_tokenizer_equals_that_of_the_gguf_file(
    mlx_folder: Folder, demo_target: LoadedModel
) -> None:
    folder = mlx_folder()
    ours = read_tokenizer(folder, json.loads((folder / "config.json").read_text()))
    theirs = demo_target.tokenizer
    text = "<|im_start|>user\n naïve 🚀 你好  def f(x):\n\treturn x<|im_end|>"
    assert ours.encode(text) == theirs.encode(text)
    assert list(ours.pieces) == list(theirs.pieces)
    assert list(ours.token_texts) == list(theirs.token_texts)
    assert ours.stop_ids == theirs.stop_ids == {8185, 8183}
    assert ours.chat_template == "{{ messages[0].content }}"
    assert ours.eos_token == "<|im_end|>"


def test_chat_templates_are_found_wherever_they_are(mlx_folder: Folder) -> None:
    folder = mlx_folder()
    settings = folder / "tokenizer_config.json"
    named = [{"name": "rag", "template": "R"}, {"name": "default", "template": "D"}]
    settings.write_text(json.dumps({"chat_template": named, "eos_token": {"content": "<|x|>"}}))
    assert read_tokenizer(folder, {}).chat_template == "D"
    assert read_tokenizer(folder, {}).eos_token == "<|x|>"
    (folder / "chat_template.jinja").write_text("J")
    assert read_tokenizer(folder, {}).chat_template == "J"


def test_generation_config_says_what_ends_an_answer(mlx_folder: Folder) -> None:
    folder = mlx_folder()
    (folder / "generation_config.json").write_text('{"eos_token_id": 300}')
    assert 300 in read_tokenizer(folder, {"eos_token_id": 400}).stop_ids
    assert 400 not in read_tokenizer(folder, {"eos_token_id": 400}).stop_ids


def test_a_quantized_folder_runs_on_the_cpu(mlx_folder: Folder) -> None:
    from mlx.nn.layers.quantized import quantize

    folder = mlx_folder()
    network = load_folder(folder, METAL).network
    quantize(network, 32, 4)
    network.save_weights(str(folder / "model.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization"] = {"group_size": 32, "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    plan = plan_folder(folder, METAL)
    model = load_folder(folder, METAL)
    assert plan.quantization == "4-bit"
    assert plan.weights_bytes == model.weights_bytes
    assert model.parameters == load_folder(folder, CPU).parameters


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer.json"),
        ("model.safetensors", "no model.safetensors"),
    ],
)
def test_a_missing_file_is_named(name: str, words: str, mlx_folder: Folder) -> None:
    folder = mlx_folder()
    (folder / name).unlink()
    assert words in refusal(folder).message


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: b"",
        lambda content: content[:5],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content[:40] + b"\x00" + content[41:],
        lambda content: content.replace(b'"BF16"', b'"BF61"', 1),
        lambda content: content.replace(b'"BF16"', b'"F32" ', 1),
        lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ],
    ids=["empty", "five", "half", "cut", "long", "length", "flip", "dtype", "size", "lfs"],
)
def test_damaged_weights_are_found_before_mlx_reads_them(
    edit: Callable[[bytes], bytes], mlx_folder: Folder
) -> None:
    folder = mlx_folder()
    change(folder, "model.safetensors", edit)
    assert "model.safetensors" in refusal(folder).message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b"\xff\xfe"),
        ("config.json", b'{"hidden_size": 3}'),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"garbage"),
        ("tokenizer_config.json", b"garbage"),
        ("generation_config.json", b"garbage"),
    ],
)
def test_a_damaged_description_is_refused(name: str, content: bytes, mlx_folder: Folder) -> None:
    folder = mlx_folder()
    (folder / name).write_bytes(content)
    assert refusal(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "warp_drive"}, "warp_drive"),
        ({"model_type": "../../etc"}, "architecture"),
        ({"model_type": 3}, "model_type"),
        ({"model_file": "code.py"}, "program code"),
    ],
)
def test_an_architecture_that_mlx_lm_lacks_is_refused(
    changes: dict[str, Any], words: str, mlx_folder: Folder
) -> None:
    folder = mlx_folder()
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    assert words in refusal(folder).message


@pytest.mark.parametrize(
    "changes",
    [{"hidden_size": 128}, {"num_hidden_layers": 3}, {"head_dim": None}, {"rms_norm_eps": "x"}],
)
def test_weights_that_do_not_fit_the_description_are_refused(
    changes: dict[str, Any], mlx_folder: Folder
) -> None:
    folder = mlx_folder()
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    assert isinstance(refusal(folder), EngineError)


def test_shards_are_checked_against_the_index(mlx_folder: Folder) -> None:
    folder = mlx_folder()
    index = folder / "model.safetensors.index.json"
    parts = {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}
    index.write_text(json.dumps({"weight_map": parts}))
    assert "1 of the model's 2 weight files are missing" in refusal(folder).message
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))
    (folder / "model-old.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert "model-old.safetensors" in refusal(folder).message
