"""Brings changed profiles into the running app, and the user's editor to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from engines.errors import ExplainedError
from profiles.layers import project_root
from profiles.trust import TrustList, profile_texts
from tui.editor import edit_file
from tui.profile_folders import file_to_change, keeping_trust, project_folder
from tui.profile_watch import LOOK_S, ProfileWatch
from tui.sanitize import one_line

if TYPE_CHECKING:
    from tui.app import LlmTuiApp
    from tui.services import Services


class ProfileUpdates:
    """Looks for changes every second, and takes them over."""

    def __init__(self, app: LlmTuiApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._project = project_folder()
        folders = [app.paths.profiles, *([self._project] if self._project else [])]
        self._watch = ProfileWatch([*folders, app.paths.trusted_folders])
        if services.load_catalog is not None:
            app.set_interval(LOOK_S, self.look)

    def look(self) -> None:
        """Take over what has changed since the last time."""
        if self._watch.has_changed():
            self.take_over()

    def take_over(self) -> None:
        """Read the profiles; the one in use is replaced where it changed, and kept if it broke."""
        self._watch.take_in()
        pane = self._app.chat.pane
        for error in self._services.read_profiles():
            kept = " Until then it stays as it was." if self._is_kept(error.file) else ""
            pane.complain(error.message, f"{error.hint}{kept}")
        if pane.switch is not None:
            pane.switch.refresh()
        pane.show_welcome()

    def edit(self) -> None:
        """Open the chosen profile's file in the user's editor."""
        pane = self._app.chat.pane
        profile = pane.chosen_profile
        if profile is None:
            return
        try:
            file = file_to_change(self._services.catalog, profile.name, self._app.paths)
            with keeping_trust(self._app.paths, file), self._app.suspend():
                edit_file(file)
        except SuspendNotSupported:
            pane.say(f"No editor can be opened here; the file is {file}")
        except ExplainedError as error:
            pane.complain(error.message, error.hint)
        finally:
            self._app.refresh(layout=True)
        self.take_over()

    def ask_for_trust(self) -> None:
        """Show what the project's profiles want, and let the user decide."""
        from tui.screens.trust import TrustScreen

        pane, folder = self._app.chat.pane, self._project
        self.take_over()
        restricted = self._services.catalog.restricted
        if folder is None or not restricted:
            pane.say("No profile here waits for your trust")
            return
        seen = profile_texts(folder)
        wanted = [(one_line(p.name), one_line(", ".join(p.ignored))) for p in restricted]

        def decided(is_trusted: bool | None) -> None:
            if not is_trusted:
                pane.say("The project is not trusted; its profiles work without those keys")
                return
            try:
                TrustList(self._app.paths.trusted_folders).trust(folder, seen)
            except ExplainedError as error:
                pane.complain(error.message, error.hint)
            else:
                self.take_over()
                pane.say("The project is trusted until its profiles change")

        screen = TrustScreen(one_line(str(project_root(folder))), wanted)
        self._app.push_screen(screen, decided)

    def _is_kept(self, file: str) -> bool:
        return any(p.origin == file for p in self._services.catalog.profiles.values())
