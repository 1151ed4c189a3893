"""What the user does with models: the picker, its downloads, the first steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.timer import Timer

from engines.errors import ExplainedError
from tui.config import START_PROFILE, ConfigError, read_config
from tui.sanitize import one_line

if TYPE_CHECKING:
    from tui.app import LlmTuiApp
    from tui.models.downloads import Download
    from tui.models.first_steps import FirstSteps
    from tui.models.library import ModelLibrary
    from tui.models.row import ModelRow
    from tui.models.sources import ModelSources
    from tui.screens.models import ModelChoice
    from tui.services import Services

LOOK_S = 0.5
HAVE, DOWNLOAD, STAY = 1, 2, 3


class ModelActions:
    """Everything heavy is imported when it is used.

    Args:
        sources: In place of this user's folders, machine and hub.
    """

    def __init__(
        self, app: LlmTuiApp, services: Services, sources: ModelSources | None = None
    ) -> None:
        self._app = app
        self._services = services
        self._sources = sources
        self._library: ModelLibrary | None = None
        self._steps: FirstSteps | None = None
        self._timer: Timer | None = None
        self._adopted_when_here: dict[str, ModelRow] = {}

    @property
    def library(self) -> ModelLibrary:
        if self._library is None:
            from tui.models.library import ModelLibrary
            from tui.models.sources import user_sources

            services = self._services
            sources = self._sources or user_sources(self._app.paths, services.measurements)
            self._library = ModelLibrary(sources)
        return self._library

    # The picker

    def open(self) -> None:
        """Show the models, and use the one that is chosen."""
        from tui.screens.models import ModelsScreen

        profile = self._app.chat.pane.chosen_profile or self._services.profile

        def closed(choice: ModelChoice | None) -> None:
            if choice is not None:
                self._use(choice)

        screen = ModelsScreen(self.library, profile.model, one_line(profile.title))
        self._app.push_screen(screen, closed)
        self._watch()

    def _use(self, choice: ModelChoice) -> None:
        pane = self._app.chat.pane
        if pane.switch is None:
            return
        if choice.is_for_profile:
            self._write(choice.row, [pane.switch.chosen.name])
            return
        self._steps = None
        pane.hide_first_steps()
        pane.switch.use(self._services.use_model(pane.switch.chosen, choice.row.reference))

    def _write(self, row: ModelRow, names: list[str]) -> None:
        """Make the model that of the profiles, and say where that was written."""
        from tui.models.details import short_path
        from tui.models.model_choice import write_model

        pane, services = self._app.chat.pane, self._services
        files: list[str] = []
        try:
            for name in names:
                file = write_model(services, self._app.paths, services.catalog.get(name), row)
                services.chosen_models.pop(name, None)
                files.append(short_path(file, Path.home()))
        except ExplainedError as error:
            pane.complain(error.message, error.hint)
        if self._app.profile_updates is not None:
            self._app.profile_updates.take_over()
        if files:
            titles = ", ".join(one_line(services.profile_title(name)) for name in names)
            pane.notice(f"{titles}: {row.name} from now on. Written to {', '.join(files)}")

    # Downloads

    def _watch(self) -> None:
        """Look at the downloads for as long as one runs or can be started."""
        if self._timer is None:
            self._timer = self._app.set_interval(LOOK_S, self._look)

    def _look(self) -> None:
        from tui.models.downloads import download_text
        from tui.screens.models import ModelsScreen

        downloads = self.library.downloads
        active = downloads.active
        texts = [f"{one_line(each.reference)}: {download_text(each)}" for each in active]
        self._app.chat.pane.show_background(" · ".join(texts))
        for ended in downloads.take_ended():
            self._tell(ended)
        if not active and self._timer and not isinstance(self._app.screen, ModelsScreen):
            self._timer.stop()
            self._timer = None

    def _tell(self, ended: Download) -> None:
        from tui.models.downloads import DownloadState

        pane, name = self._app.chat.pane, one_line(ended.reference)
        row = self._adopted_when_here.pop(ended.reference, None)
        if ended.state is DownloadState.FAILED:
            pane.complain(f"{name}: {ended.error}", ended.hint)
        elif ended.state is DownloadState.STOPPED:
            pane.say(f"{name} is not complete; F4 and F5 go on from there")
        elif row is not None:
            self._adopt(row)
        else:
            pane.notice(f"{name} is here. F4 and Enter use it.")

    # First steps

    def offer_first_steps(self) -> None:
        """Show the three choices beside the demo model, where nobody has made one yet."""
        if not self._is_first_start():
            return
        if self._app.chat.pane.is_busy:
            self._app.set_timer(LOOK_S, self.offer_first_steps)
            return
        self._app.chat.pane.show_first_steps(())
        self._app.run_worker(self._offer())

    async def _offer(self) -> None:
        steps = await self._find_steps()
        if self._is_first_start():
            self._steps = steps
            self._app.chat.pane.show_first_steps(steps.texts(), steps.machine)

    async def _find_steps(self) -> FirstSteps:
        from tui.daemon_thread import on_daemon_thread

        def load() -> None:
            from tui.models import first_steps, sources  # noqa: F401

        await on_daemon_thread(load)
        from tui.models.first_steps import look_for_first_steps

        return await look_for_first_steps(self.library)

    @property
    def offers_first_steps(self) -> bool:
        """Whether the choices are in view, and so their keys work."""
        return self._steps is not None and self._app.chat.pane.has_class("-empty")

    def take_first_step(self, number: int) -> None:
        """Make a choice that the welcome panel shows."""
        if self._steps is not None:
            self._take(self._steps, number)

    def open_first_steps(self) -> None:
        """The same choices at any time."""
        from tui.screens.first_steps import FirstStepsScreen

        found: list[FirstSteps] = []

        async def look() -> FirstSteps:
            found.append(await self._find_steps())
            return found[-1]

        def closed(number: int | None) -> None:
            if number is not None and found:
                self._take(found[-1], number)

        self._app.push_screen(FirstStepsScreen(look), closed)

    def _take(self, steps: FirstSteps, number: int) -> None:
        pane, row = self._app.chat.pane, steps.row(number)
        if number == STAY:
            self._dismiss()
            pane.say("The demo model stays; F4 shows every model at any time")
        elif row is None:
            pane.say(f"{steps.texts()[number - 1][1].capitalize()}; F4 shows every model")
        elif number == HAVE:
            self._adopt(row)
        else:
            self._adopted_when_here[row.reference] = row
            self.library.downloads.start(row.reference)
            self._dismiss()
            self._watch()
            pane.say("Until it is here, the demo model answers")

    def _adopt(self, row: ModelRow) -> None:
        """The model is that of every profile which still runs the demo model."""
        from tui.models.model_choice import demo_profiles

        self._dismiss()
        self._write(row, [profile.name for profile in demo_profiles(self._services)])

    def _dismiss(self) -> None:
        """The choices are not offered any more, neither now nor at the next start."""
        self._steps = None
        self._app.chat.pane.hide_first_steps()
        mark = self._app.paths.first_steps_done
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError:
            return  # they are offered again at the next start

    def _is_first_start(self) -> bool:
        services, paths = self._services, self._app.paths
        if services.load_catalog is None or services.options.names_profile:
            return False
        try:
            has_choice = START_PROFILE in read_config(paths.config_file)
        except ConfigError:
            return False
        own = any(profile.layer != "built-in" for profile in services.catalog.profiles.values())
        return not (has_choice or own or services.chosen_models or paths.first_steps_done.exists())
