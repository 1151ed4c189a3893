from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tui.paths import app_paths

Run = Callable[..., Result]


def test_the_issues_example(run: Run) -> None:
    result = run(
        "models", "fit", "Qwen/Qwen3-14B", "--quant", "Q4_K_M", "--context", "32768",
        "--kv", "q8_0", "--machine", "M4 Pro 24GB", "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    fit = json.loads(result.stdout)
    assert fit["verdict"] == "fits"
    assert fit["weights_bytes"] == pytest.approx(14.77e9 * 4.89 / 8, rel=0.001)
    assert fit["kv_bytes"] == 32_768 * 40 * 8 * 256 * 8.5 / 8
    assert fit["machine"]["label"] == "M4 Pro, 24 GB"
    assert fit["short"]["ceiling_tps"] > fit["short"]["decode"]["high_tps"] > 0
    assert fit["license"] == "Apache-2.0"


def test_the_table_names_numbers_and_remedies(run: Run) -> None:
    result = run("models", "fit", "Qwen3.5-35B-A3B", "--machine", "M4 24GB", "--context", "65536")
    assert result.exit_code == 0
    assert "verdict         no" in result.stdout
    assert "3.0B active" in result.stdout
    assert "Keep the KV cache in q8_0" in result.stdout
    assert "A machine with" in result.stdout


def test_a_local_file_is_counted_by_its_tensors(run: Run) -> None:
    fit = json.loads(run("models", "fit", "demo:target", "--machine", "M4 16GB", "--json").stdout)
    assert fit["weights_are_exact"] is True
    assert fit["weights_bytes"] == 30_820_864
    assert fit["context_tokens"] == 4096
    in_four_bits = json.loads(
        run(
            "models", "fit", "demo:target", "--quant", "4bit", "--machine", "M4 16GB", "--json"
        ).stdout
    )
    assert in_four_bits["weights_are_exact"] is False
    assert in_four_bits["engine"] == "mlx"
    assert in_four_bits["weights_bytes"] < fit["weights_bytes"]


def test_the_machine_can_come_from_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_TUI_MACHINE", "RTX 4090 24GB")
    fit = json.loads(run("models", "fit", "Qwen3-14B", "--json").stdout)
    assert fit["machine"]["chip"] == "NVIDIA GeForce RTX 4090"
    assert fit["short"]["ttft_s"][0] > 0


def test_this_machine_is_asked_otherwise(run: Run) -> None:
    result = run("models", "fit", "Qwen3-0.6B")
    assert result.exit_code == 0
    assert "first token     not known: measure it with llm-tui bench prefill" in result.stdout


def test_a_draft_model_is_counted(run: Run) -> None:
    alone, both = (
        json.loads(
            run("models", "fit", "Qwen3-14B", *draft, "--machine", "M4 32GB", "--json").stdout
        )
        for draft in ((), ("--draft", "Qwen3-0.6B:Q8_0"))
    )
    assert both["draft_bytes"] == pytest.approx(0.6e9 * 8.5 / 8, rel=0.001)
    assert both["needed_bytes"] > alone["needed_bytes"] + both["draft_bytes"]


def test_an_old_model_is_marked(run: Run) -> None:
    result = run("models", "fit", "Qwen2.5-Coder-14B-Instruct", "--machine", "M4 32GB")
    assert "more than a year ago" in result.stdout


def test_the_users_catalogue_counts(run: Run, home: Path) -> None:
    folder = app_paths().config
    folder.mkdir(parents=True)
    entry = (
        '[[model]]\nname = "Mine-7B"\nreleased = 2026-10-01\nlicense = "MIT"\nparameters = 7.0\n'
    )
    (folder / "catalogue.toml").write_text(entry)
    result = run("models", "fit", "Mine-7B", "--machine", "M4 16GB")
    assert result.exit_code == 0
    assert "licence         MIT" in result.stdout


def test_a_repository_that_nobody_knows_is_guessed_by_its_name(run: Run) -> None:
    arguments = ("models", "fit", "Qwen/Qwen3-235B-A22B", "--machine", "M3 Ultra 256GB")
    guess = json.loads(run(*arguments, "--json").stdout)
    assert guess["is_guess"] is True
    assert (guess["parameters"], guess["active_parameters"]) == (235_000_000_000, 22_000_000_000)
    assert guess["verdict"] == "fits"
    assert "guessed by its name" in run(*arguments).stdout
    assert run("models", "fit", "someone/nameless", "--machine", "M4 16GB").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("Qwen3-15B",), 1, "Did you mean Qwen3-14B"),
        (("someone/Model-7B-GPTQ",), 1, "GPTQ, which is made for NVIDIA GPUs"),
        (("Qwen3-14B", "--kv", "q9"), 2, "no KV cache of type q9"),
        (("Qwen3-14B", "--quant", "Q4_M"), 1, "Did you mean Q4_K_M?"),
        (("Qwen3-14B", "--machine", "M4 Prp 24GB"), 1, "Did you mean M4 Pro?"),
        (("Qwen3-14B", "--context", "0"), 2, "--context"),
        (("./nothing.gguf",), 1, "no model at ./nothing.gguf"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(
    run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = run("models", "fit", *arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
