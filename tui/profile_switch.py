"""From one profile to another, while the old model still answers."""

from __future__ import annotations

from collections.abc import Callable

from conversation.loading import ProfileEngine
from conversation.session import Session
from engines.thread import EngineState
from profiles.schema import Profile
from tui.bridge import Bridge
from tui.services import Services
from tui.session_presenter import SessionPresenter


class ProfileSwitch:
    """Chooses profiles for one session.

    A model that is ready stays in use until the chosen profile's model is ready as well; where
    that one fails, it stays for good.

    Args:
        say: Shows a short notice.
        complain: Shows an error that stays: what is wrong, and what to do next.
    """

    def __init__(
        self,
        session: Session,
        services: Services,
        bridge: Bridge,
        presenter: SessionPresenter,
        say: Callable[[str], None],
        complain: Callable[[str, str], None],
    ) -> None:
        self._session = session
        self._services = services
        self._bridge = bridge
        self._presenter = presenter
        self._say = say
        self._complain = complain

    @property
    def chosen(self) -> Profile:
        """The profile that was chosen last, in use or being made ready."""
        preparing = self._bridge.preparing
        return preparing.profile if preparing else self._session.profile

    def step(self, places: int) -> None:
        """Choose the profile so many places after the chosen one."""
        self.use(self._services.catalog.next_after(self.chosen.name, places))

    def number(self, number: int) -> None:
        """Choose the profile at a place, counted from 1."""
        profiles = list(self._services.catalog.profiles.values())
        if number > len(profiles):
            self._say(f"There are {len(profiles)} profiles")
        else:
            self.use(profiles[number - 1])

    def use(self, profile: Profile) -> None:
        """Choose `profile`: in use at once where no model has to be waited for."""
        current = self._session.profile
        self._bridge.prepare(None)
        if profile == current:
            self._presenter.show_next_profile("")
            self._say(f"{profile.title} stays in use")
            return
        if self._session.engine_state is not EngineState.READY:
            self._switch(profile)
            return
        engine = self._session.open_engine(profile)
        if engine.state is EngineState.READY:
            self._switch(profile)
            return
        self._bridge.prepare(engine)
        self._presenter.show_next_profile(profile.title)
        self._say(f"{self._title(profile)} is being made ready; until then {current.title} answers")

    def refresh(self) -> None:
        """Use the chosen profile as it is in the catalog by now."""
        chosen = self.chosen
        changed = self._services.catalog.profiles.get(chosen.name, chosen)
        if changed != chosen:
            self.use(changed)

    def prepared(self, engine: ProfileEngine) -> None:
        """The model that was waited for is ready, or failed."""
        if engine.failure is None:
            self._switch(engine.profile)
            return
        self._presenter.show_next_profile("")
        self._complain(f"{engine.profile.title}: {engine.failure.message}", engine.failure.hint)

    def _title(self, profile: Profile) -> str:
        """With the model where that is all that changes."""
        current = self._session.profile
        has_same_model = profile.name != current.name or profile.model == current.model
        return profile.title if has_same_model else f"{profile.title} with {profile.model}"

    def _switch(self, profile: Profile) -> None:
        is_busy, title = self._session.is_busy, self._title(profile)
        self._session.use_profile(profile)
        self._presenter.show_model()
        self._bridge.watch_model()
        if is_busy:
            self._say(f"{title} is used from the next message on")
        else:
            self._say(f"{title} is in use")
