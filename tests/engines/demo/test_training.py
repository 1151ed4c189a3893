"""The training recipe in its toy size; skipped where the training group is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engines.demo import demo_model_path
from engines.demo.evaluation.answers import ENGINE, Model
from engines.registry import why_unavailable

pytest.importorskip("torch", reason="uv sync --group training")
pytest.importorskip("gguf", reason="uv sync --group training")
pytest.importorskip("safetensors", reason="uv sync --group training")


def run(module: str, *arguments: str | Path) -> str:
    command = [sys.executable, "-m", f"engines.demo.training.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_packing_keeps_every_document_whole() -> None:
    from engines.demo.training.packing import DOCUMENT_START, document, pack

    documents = [document([n] * n, [1] * n) for n in range(1, 40)]
    rows = pack(documents, 64, pad_id=0)

    assert rows.ids.shape[1] == 64
    assert sorted(n for n in rows.ids.flatten().tolist() if n) == sorted(
        n for n in range(1, 40) for _ in range(n)
    )
    for ids, flags in zip(rows.ids, rows.flags, strict=True):
        starts = [i for i, flag in enumerate(flags) if flag & DOCUMENT_START]
        for start, end in zip(starts, [*starts[1:], 64], strict=True):
            assert len(set(ids[start:end])) == 1
            assert ids[start] in (0, end - start)


def test_the_tokenizer_of_the_shipped_file_round_trips() -> None:
    from engines.demo.training.tokenizer import VOCABULARY_TOKENS, encode, load_tokenizer

    path = demo_model_path("demo:target")
    assert path
    tokenizer = load_tokenizer(path)
    text = "<|im_start|>user\ndef f(x):\n    return x ** 2  # naïve 🚀<|im_end|>\n"

    assert tokenizer.get_vocab_size() == VOCABULARY_TOKENS
    assert tokenizer.decode(encode(tokenizer, text), skip_special_tokens=False) == text


def test_generation_with_a_cache_equals_generation_without() -> None:
    import torch

    from engines.demo.training.generation import generate
    from engines.demo.training.model import build

    torch.manual_seed(0)
    model = build("toy", 64)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    prompt = [5, 6, 7, 8]
    answer = generate(model, [prompt, [9, 10]], 8, end_id=-1, pad_id=0)[0]
    for i in range(len(answer)):
        ids = torch.tensor([prompt + answer[:i]])
        assert int(model.logits(ids)[0, -1].argmax()) == answer[i]


@pytest.mark.timeout(300)
def test_the_recipe_runs_from_sources_to_a_file_that_the_app_reads(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    common = ("--work", work, "--out", out, "--seconds", "20", "--smoke")
    run("train", "target", *common)
    target = out / "target.safetensors"
    assert "agreement" in run("train", "draft", *common, "--target", target)
    gguf = out / "draft.gguf"
    tokenizer = work / "tokenizer.json"
    run(
        "export",
        "draft",
        "--weights",
        out / "draft.safetensors",
        "--tokenizer",
        tokenizer,
        "--gguf",
        gguf,
    )
    if why_unavailable(ENGINE) is not None:
        pytest.skip("llama.cpp is not installed")
    with Model(gguf, 256) as model:
        assert len(model.answer("<|im_start|>user\nhello", max_tokens=3).token_ids) <= 3
