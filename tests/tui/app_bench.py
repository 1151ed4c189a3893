"""An app on scripted engines, for the tests of the interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from engines.base import Cancelled
from engines.errors import EngineError
from engines.events import LoadProgress
from engines.scripted import Gate, ScriptedEngine
from engines.types import LoadRequest, ModelInfo
from profiles.loader import ProfileCatalog
from profiles.schema import Profile
from tui.app import LlmTuiApp
from tui.model_actions import ModelActions
from tui.models.sources import ModelSources
from tui.options import AppOptions
from tui.paths import AppPaths
from tui.widgets.prompt_input import PromptInput
from tui.widgets.stats_bar import StatsBar
from tui.widgets.transcript_view import TranscriptView

ANSWER = """\
Here is a function:

```python
def add(a: int, b: int) -> int:
    return a + b
```

It returns the **sum** of `a` and `b`.
"""


class GatedEngine(ScriptedEngine):
    """A scripted engine whose load waits as well, where it is given a gate for that."""

    def __init__(self, answers: list[str], gate: Gate, load_gate: Gate | None) -> None:
        super().__init__(answers, gate)
        self._load_gate = load_gate

    def load(
        self,
        request: LoadRequest,
        report: Callable[[LoadProgress], None],
        cancelled: Cancelled,
    ) -> ModelInfo:
        if self._load_gate is not None:
            report(LoadProgress("reading the weights", 0.4))
            self._load_gate.wait(cancelled)
        return super().load(request, report, cancelled)


class AppBench:
    """An app on scripted engines that the test holds at any token."""

    def __init__(self, folder: Path) -> None:
        self.paths = AppPaths(folder / "c", folder / "d", folder / "x", folder / "s")
        self.gate = Gate()
        self.load_gates: dict[str, Gate] = {}
        self.answers = [ANSWER]
        self.options: dict[str, tuple[tuple[str, str], ...]] = {}
        self.profiles = ["chat", "coding", "reasoning"]
        self.failures: dict[str, EngineError] = {}
        self.app_options = AppOptions()
        self.reads_profiles = False
        self.model_sources: ModelSources | None = None
        self.app = self.new_app()

    def new_app(self) -> LlmTuiApp:
        """Another start of the program on the same files, those of profiles if it reads them."""
        catalog = None if self.reads_profiles else self._catalog()
        self.app = LlmTuiApp(
            self.app_options, self.paths, self._create, catalog, self.model_sources
        )
        return self.app

    @property
    def pane(self) -> Any:
        return self.app.chat.pane

    @property
    def models(self) -> ModelActions:
        assert self.app.model_actions is not None
        return self.app.model_actions

    @property
    def prompt(self) -> PromptInput:
        return self.app.chat.query_one(PromptInput)

    @property
    def bar(self) -> str:
        """The stats bar as it is drawn."""
        return self.app.chat.query_one(StatsBar).render().plain

    @property
    def transcript(self) -> TranscriptView:
        return self.app.chat.query_one(TranscriptView)

    @property
    def notice(self) -> str:
        activity: str = self.pane.query_one("ActivityLine").notice
        return activity

    def screen_text(self) -> str:
        """Everything on the screen, row by row."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def ready(self, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: self.pane.session is not None)
        await until(pilot, lambda: self.pane.session.model_info is not None)
        await until(pilot, lambda: not self.pane.bridge.is_watching)

    async def finished(self, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: not self.pane.is_busy and not self.pane.bridge.turns)
        await pilot.pause()

    def _catalog(self) -> ProfileCatalog:
        return ProfileCatalog(
            {
                name: Profile(
                    name=name,
                    model=f"{name}.md",
                    title=name.capitalize(),
                    description=f"for {name}",
                    engine="scripted",
                    options=self.options.get(name, ()),
                )
                for name in self.profiles
            }
        )

    def _create(self, request: LoadRequest) -> ScriptedEngine:
        name = request.model.removesuffix(".md")
        if name in self.failures:
            raise self.failures[name]
        return GatedEngine(self.answers, self.gate, self.load_gates.get(name))


async def until(pilot: Pilot[Any], condition: Callable[[], object], rounds: int = 500) -> None:
    """Let the app work until `condition` holds."""
    for _ in range(rounds):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise AssertionError("the app did not get there")
