"""Engine `auto` in the app: the reason is shown, and the engine can be pinned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.base import Cancelled
from engines.events import LoadProgress
from engines.hardware_probes import GPU
from engines.scripted import ScriptedEngine
from engines.types import LoadRequest, ModelInfo
from profiles.loader import ProfileCatalog
from profiles.schema import Profile
from tests.tui.app_bench import AppBench
from tui.services import Services

AUTO = Profile(
    name="auto",
    title="Auto",
    model="org/mlx",
    engine="auto",
    model_by_engine=(("mlx", "org/mlx"), ("llama.cpp", "org/gguf")),
)


class NamedEngine(ScriptedEngine):
    """The scripted engine under the name of another one."""

    def load(
        self, request: LoadRequest, report: Callable[[LoadProgress], None], cancelled: Cancelled
    ) -> ModelInfo:
        self._info = replace(super().load(request, report, cancelled), engine=request.engine)
        return self._info


class AutoBench(AppBench):
    def _catalog(self) -> ProfileCatalog:
        return ProfileCatalog({"auto": AUTO})

    def _create(self, request: LoadRequest) -> ScriptedEngine:
        return NamedEngine(["An answer."])

    def run_command(self, title: str) -> None:
        commands: dict[str, Any] = {
            command.title: command.callback
            for command in self.app.get_system_commands(self.app.screen)
        }
        commands[title]()


@pytest.fixture
def auto_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AutoBench]:
    monkeypatch.setattr(Services, "read_bandwidth", lambda services: None)
    monkeypatch.setattr("engines.registry.importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("engines.hardware_probes.find_gpu", lambda: GPU.METAL)
    bench = AutoBench(tmp_path)
    yield bench
    if bench.app.services is not None:
        bench.app.services.close()


async def test_the_engine_is_chosen_shown_and_pinned(auto_bench: AutoBench) -> None:
    bench = auto_bench
    async with bench.app.run_test(size=(160, 40)) as pilot:
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        assert "mlx" in bench.pane.presenter.model_label
        assert "MLX: " in bench.notice
        bench.run_command("Pin engine: llama.cpp")
        assert "llama.cpp answers" in bench.notice
        await bench.ready(pilot)
        await pilot.press(*"hi", "enter")
        await bench.finished(pilot)
        answers = bench.pane.session.transcript.path()[1::2]
        assert [answer.stats["engine"] for answer in answers] == ["mlx", "llama.cpp"]
        assert answers[0].stats["engine_choice"].startswith("MLX: ")
        assert answers[1].stats["engine_choice"] == "llama.cpp: pinned"
        bench.run_command("Pin engine: none")
        assert bench.pane.session.pinned_engine == ""


async def test_a_profile_with_one_engine_offers_no_pins(bench: AppBench) -> None:
    async with bench.app.run_test(size=(100, 30)) as pilot:
        await bench.ready(pilot)
        titles = [command.title for command in bench.app.get_system_commands(bench.app.screen)]
        assert not any(title.startswith("Pin engine") for title in titles)
