from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from conversation.measurements import Measurements, writer_beside
from engines.bench.trial import TrialFigures, TrialRequest
from engines.stats import GenerationStats
from engines.types import LoadRequest
from tui.paths import app_paths

Run = Callable[..., Result]


def stats(engine: str, decode_tps: float) -> GenerationStats:
    return GenerationStats(
        engine=engine,
        model="m",
        quantization="Q8_0",
        prompt_tokens=200,
        cached_tokens=0,
        generated_tokens=101,
        ttft_s=0.4,
        prefill_s=0.4,
        decode_s=100 / decode_tps,
        kv_cache_bytes=0,
        kv_type="f16",
    )


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[TrialRequest]:
    """Trials that take no time: llama.cpp is the faster engine, and q8_0 makes it faster still."""
    tried: list[TrialRequest] = []

    def run_trial(trial: TrialRequest, share_s: float) -> TrialFigures:
        tried.append(trial)
        request = trial.request
        decode_tps = 100.0 if request.engine == "llama.cpp" else 50.0
        decode_tps *= 1.5 if request.kv_type == "q8_0" else 1.0
        figures = stats(request.engine, decode_tps)
        return TrialFigures(500.0, decode_tps, load_s=0.5, seconds=0.01, stats=(figures,))

    monkeypatch.setattr("tui.command_line.tuning_run.run_trial", run_trial)
    monkeypatch.setattr("engines.registry.importlib.util.find_spec", lambda name: object())
    return tried


def test_a_built_in_profile_gets_one_of_the_users_with_the_figures(
    run: Run, tried: list[TrialRequest]
) -> None:
    result = run("tune", "chat")
    assert result.exit_code == 0, result.output
    path = app_paths().profiles / "chat.toml"
    text = path.read_text()
    written = tomllib.loads(text)
    assert written == {"extends": "chat", "engine": "llama.cpp", "kv_type": "q8_0"}
    assert "150.0 tok/s decode" in text
    assert str(path) in result.stdout
    assert "KV cache q4_0" in result.stdout
    assert "loses detail" in result.stdout
    assert "engine MLX" in result.stderr
    shown = json.loads(run("profiles", "show", "chat", "--json").stdout)
    assert (shown["engine"], shown["kv_type"]) == ("llama.cpp", "q8_0")


def test_comments_of_a_profile_of_the_users_stay(run: Run, tried: list[TrialRequest]) -> None:
    path = app_paths().profiles / "mine.toml"
    path.parent.mkdir(parents=True)
    path.write_text('# my own\nmodel = "demo:target"\nengine = "mlx"  # because\n')
    assert run("tune", "mine").exit_code == 0
    text = path.read_text()
    assert text.startswith("# my own\n")
    assert tomllib.loads(text)["engine"] == "llama.cpp"


def test_a_dry_run_writes_nothing(run: Run, tried: list[TrialRequest], home: Path) -> None:
    result = run("tune", "chat", "--dry-run", "--json")
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert values["chosen"] == {"engine": "llama.cpp", "kv_type": "q8_0"}
    assert values["written"] is None
    assert values["after_s"] < values["before_s"]
    assert {"name", "engine", "settings", "turn_s", "verdict"} <= values["trials"][0].keys()
    assert not (app_paths().profiles / "chat.toml").exists()
    assert not app_paths().database.exists()


def test_its_figures_serve_to_predict_turns(run: Run, tried: list[TrialRequest]) -> None:
    run("tune", "chat")
    path = app_paths().database
    writer = writer_beside(path)
    measurements = Measurements(path, writer)
    speed = measurements.speed(LoadRequest("llama.cpp", "demo:target"), 300)
    assert speed.decode_tps == pytest.approx(100)
    assert writer.close()


def test_a_profile_that_is_not_there_is_told(run: Run) -> None:
    result = run("tune", "nothing")
    assert result.exit_code == 1
    assert "no profile called nothing" in result.stderr
    assert run("tune", "chat", "--minutes", "0").exit_code == 2


@pytest.mark.model
def test_on_the_embedded_model_it_keeps_its_time(run: Run) -> None:
    started_s = time.monotonic()
    result = run("tune", "chat", "--minutes", "0.1", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    assert any(trial["decode_tps"] for trial in values["trials"]), values["trials"]
    assert values["left_out"]
    assert time.monotonic() - started_s < 100  # the first trial is made whatever it takes


def test_where_nothing_runs_it_leaves_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = TrialFigures(refused="It is too large.")
    monkeypatch.setattr("tui.command_line.tuning_run.run_trial", lambda trial, share_s: refused)
    result = run("tune", "chat")
    assert result.exit_code == 1
    assert "refused: It is too large." in result.stdout
    assert "Nothing ran" in result.stdout
